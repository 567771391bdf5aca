"""Boxes and the two edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejudge.images.picture import Box, Picture

# Four columns: black, black, white, white; two rows.
PICTURE = Picture(4, 2, (bytes(6) + b"\xff" * 6) * 2)


def test_a_removed_region_takes_the_mean_colour_of_the_whole() -> None:
    edited = PICTURE.without(Box(0, 0, 0.5, 1))
    assert edited.rgb == (b"\x80" * 6 + b"\xff" * 6) * 2
    assert (edited.width, edited.height) == (4, 2)
    assert PICTURE.rgb[:6] == bytes(6)


def test_a_crop_is_the_region_alone() -> None:
    assert PICTURE.crop(Box(0.25, 0.5, 0.75, 1)) == Picture(2, 1, bytes(3) + b"\xff" * 3)


def test_a_reduced_picture_has_the_means_of_squares() -> None:
    assert PICTURE.reduced(2) == Picture(2, 1, bytes(3) + b"\xff" * 3)
    assert PICTURE.reduced(1) is PICTURE
    stripes = Picture(4, 2, (bytes(3) + b"\xff" * 3) * 4)
    assert set(stripes.reduced(2).rgb) <= {127, 128}


sides = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[0] < pair[1])


@given(sides, sides)
def test_any_box_gives_a_picture(across: list[float], down: list[float]) -> None:
    box = Box(across[0], down[0], across[1], down[1])
    crop = PICTURE.crop(box)
    assert 1 <= crop.width <= 4
    assert 1 <= crop.height <= 2
    assert len(crop.rgb) == crop.width * crop.height * 3
    assert len(PICTURE.without(box).rgb) == len(PICTURE.rgb)
    grown = box.grown(2)
    assert grown.left <= box.left < box.right <= grown.right
    assert 0 <= grown.left < grown.right <= 1
    assert 0 <= grown.top < grown.bottom <= 1


def test_growing_keeps_the_centre() -> None:
    grown = Box(0.4, 0.4, 0.5, 0.6, confidence=0.3).grown(2)
    assert (grown.left, grown.top, grown.right, grown.bottom) == pytest.approx((0.35, 0.3, 0.55, 0.7))
    assert grown.confidence == 0.3
    assert Box(0.4, 0.4, 0.5, 0.6).area == pytest.approx(0.02)
