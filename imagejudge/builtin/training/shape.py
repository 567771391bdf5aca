"""What fixes the shape of the embedded model's weights. Knows neither torch nor files."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_TOKENS = 64
BEFORE = 4  # tokens before the image: <|im_start|> user \n <image>


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths and depths; kept inside every checkpoint."""

    image_size: int = 128
    patch: int = 8
    widths: tuple[int, ...] = (96, 192)
    blocks: tuple[int, ...] = (2, 6)
    kernels: tuple[int, ...] = (5, 5)
    vocab: int = 1280
    width: int = 192
    layers: int = 4
    heads: int = 4
    hidden: int = 512
    rope_base: float = 1e6
    context: int = 2048

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads
