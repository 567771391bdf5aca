"""How models write where something is: the words that ask for a box, and the grammar of the reply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from imagejudge.prompts.digest import digest_of


@dataclass(frozen=True, slots=True)
class BoxStyle:
    """How a model was taught to write a box: JSON key, order of the numbers, and the number for a whole side."""

    key: str
    order: str
    scale: int

    @property
    def digest(self) -> str:
        """Of all that a model sees of this style, in hex."""
        return digest_of([self.locate(["?"]), self.grammar])

    @property
    def grammar(self) -> str:
        """GBNF for one box of whole numbers up to `scale` (a power of ten), or null when the thing is not there."""
        box = ' ", " '.join(["number"] * 4)
        number = f'"0" | [1-9] [0-9]{{0,{len(str(self.scale)) - 2}}} | "{self.scale}"'
        return f'root ::= "{{\\"{self.key}\\": " (box | "null") "}}"\nbox ::= "[" {box} "]"\nnumber ::= {number}'

    def locate(self, objects: Sequence[str]) -> str:
        """The words that ask for one box around all of `objects`."""
        numbers = ", ".join(f"{axis}{end}" for axis, end in zip(self.order, "1122", strict=True))
        shape = json.dumps({self.key: "?"}).replace('"?"', f"[{numbers}]")
        missing = json.dumps({self.key: None})
        return (
            f"Where in this image is this: {' and '.join(objects)}? "
            f"Answer as JSON, {shape} from 0 to {self.scale}, or {missing} if it is not visible."
        )

    def write(self, left: float, top: float, right: float, bottom: float) -> str:
        """The reply for a box given in fractions of the image's sides."""
        ends = {"x1": left, "y1": top, "x2": right, "y2": bottom}
        return json.dumps({self.key: [round(ends[name] * self.scale) for name in self._names]})

    def read(self, reply: str) -> tuple[float, float, float, float] | None:
        """(left, top, right, bottom) in fractions of the sides; None for null and for a box that makes no sense."""
        numbers = json.loads(reply)[self.key]
        if numbers is None:
            return None
        ends = dict(zip(self._names, (number / self.scale for number in numbers), strict=True))
        left, top, right, bottom = ends["x1"], ends["y1"], ends["x2"], ends["y2"]
        return (left, top, right, bottom) if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None

    @property
    def _names(self) -> list[str]:
        return [f"{axis}{end}" for axis, end in zip(self.order, "1122", strict=True)]


BOX_STYLES = {
    "bbox-xyxy-1000": BoxStyle("bbox_2d", "xyxy", 1000),
    "box-yxyx-1000": BoxStyle("box_2d", "yxyx", 1000),
}
"""Known conventions by the name a model's registry entry gives: Qwen3-VL's and the builtin's first, Gemma's second."""
