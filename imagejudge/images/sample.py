"""A picture whose content is beyond doubt, to try a model on."""

from __future__ import annotations

from PIL import Image, ImageDraw

from imagejudge.images.picture import Box, Picture

HEART = Box(0.25, 0.25, 0.75, 0.75)
"""Where the heart is."""


def red_heart() -> Picture:
    """A red heart in the middle of a white picture of 512 x 512 pixels, half as wide and high."""
    image = Image.new("RGB", (512, 512), "white")
    draw = ImageDraw.Draw(image)
    for left in (128, 246):
        draw.ellipse((left, 128, left + 138, 266), fill=(220, 20, 20))
    draw.polygon([(138, 232), (374, 232), (256, 384)], fill=(220, 20, 20))
    return Picture(*image.size, image.tobytes())
