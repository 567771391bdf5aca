"""How far a picture lies from what its model was made for, as a small network tells from its tokens.

Such a file belongs to one image encoder. What lies too far out is not asked about: the answers would mean nothing.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagejudge.common.text import counted
from imagejudge.engine.embedding import EncodedTokens
from imagejudge.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ARRAYS: Final = ("mean", "scale", "each", "each_bias", "hidden", "hidden_bias", "out", "out_bias")
OUTSIDE: Final = 0.5
"""From here on a picture is out of its model's world."""


def is_outside(distance: float | None) -> bool:
    """Whether a picture is too far out to be asked about; None, for a model that cannot tell, is not."""
    return distance is not None and distance >= OUTSIDE


def _told(shape: tuple[int, ...]) -> str:
    count, width = shape
    return f"{counted(count, 'token')} of {counted(width, 'number')}"


@dataclass(frozen=True)
class World:
    """The network in a file of numpy arrays, which is read once, when it is first needed.

    `mean` and `scale` standardise each token; `each` (features, width) with `each_bias` and a ReLU makes a few features
    of it; `hidden` (units, tokens * features) with `hidden_bias` and a ReLU looks at those of all tokens; and the
    distance is the logistic function of `out` (units) with `out_bias`. `encoder` names what it was fitted to.
    """

    path: Path
    encoder: str
    """SHA-256 of the image encoder that is in use, in hex."""

    @property
    def settings(self) -> dict[str, str]:
        """For the verdict line."""
        return {"world": self.digest[:12]}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, in hex. Raises `ModelError` where it cannot be read."""
        return hashlib.sha256(self._content).hexdigest()

    def distance(self, tokens: EncodedTokens) -> float:
        """In [0, 1]; below `OUTSIDE` it is a picture as the model was made for.

        Raises `ModelError` for a file that is none, or belongs to another encoder, and for tokens of another shape.
        """
        import numpy as np

        net = self._arrays
        shape = net["hidden"].shape[1] // len(net["each"]), len(net["mean"])
        if tokens.shape != shape:
            raise ModelError(
                f"{self.path} takes {_told(shape)}, and the model makes {_told(tokens.shape)}",
                "leave out `image_max_tokens` and `image_min_tokens`",
            )
        features = np.maximum((tokens - net["mean"]) / net["scale"] @ net["each"].T + net["each_bias"], 0)
        units = np.maximum(net["hidden"] @ features.ravel() + net["hidden_bias"], 0)
        half = np.tanh((net["out"] @ units + net["out_bias"]) / 2) / 2  # a logistic function that cannot overflow
        return round(float(0.5 + half), 4)

    @cached_property
    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read: {error.strerror}", "install imagejudge again") from error

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        from zipfile import BadZipFile

        import numpy as np

        try:
            with np.load(io.BytesIO(self._content), allow_pickle=False) as file:
                arrays = {name: file[name].astype(np.float32) for name in _ARRAYS}
                fitted = str(file["encoder"])
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise ModelError(f"{self.path} cannot be read as a world file", "install imagejudge again") from error
        if fitted != self.encoder:
            raise ModelError(
                f"{self.path} belongs to another image encoder",
                "make it again: python -m imagejudge.builtin.training train world",
            )
        return arrays
