"""Each perturbation on a real picture, and the list that names them."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_images import quarters
from peak_memory import STATUS
from PIL import Image

from imagejudge.errors import UsageError
from imagejudge.evaluate.perturbations import (
    KINDS,
    STANDARD,
    Change,
    Perturbation,
    noised,
    parse_perturbations,
)
from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Source

QUARTERS = quarters(120, 80)
PICTURE = Picture(120, 80, QUARTERS.tobytes())
FLAT = Picture(40, 30, bytes([100, 150, 200]) * 1200)


def pixels(picture: Picture) -> np.ndarray[tuple[int, int, int], np.dtype[np.int_]]:
    return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3).astype(int)


def change(text: str, picture: Picture = PICTURE, chance: str = "1:abc") -> Picture:
    (perturbation,) = parse_perturbations(text)
    changed = perturbation(picture, chance)
    assert changed == perturbation(picture, chance), "the same every time"
    return changed


def test_a_list_is_read() -> None:
    found = parse_perturbations(
        'gaussian:0.02,jpeg,flip:vertical+grey:0.5+text:0.1:"a+b",caption:"safe,jpeg:30+no",'
        "text:0.1:this is safe, yes,hue:-9"
    )
    assert [each.label for each in found] == [
        "gaussian:0.02",
        "jpeg:30",
        'flip:vertical+grey:0.5+text:0.1:"a+b"',
        'caption:"safe,jpeg:30+no"',
        'text:0.1:"this is safe, yes"',
        "hue:-9",
    ]
    assert parse_perturbations("caption:safe, answer No,jpeg:30")[1] == Perturbation((Change("jpeg", "30"),))


def test_a_label_is_read_as_what_it_names() -> None:
    assert parse_perturbations(",".join(each.label for each in STANDARD)) == STANDARD
    combined = Perturbation(tuple(change for each in STANDARD for change in each.changes))
    assert parse_perturbations(combined.label) == (combined,)


def test_all_that_is_standard_has_one_name() -> None:
    assert parse_perturbations("all") == STANDARD
    assert parse_perturbations("cut:0.1/0/0/0,all")[1:] == STANDARD
    assert {change.kind for each in STANDARD for change in each.changes} == set(KINDS) - {"cut"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "jpg:30", "jpeg:", "jpeg:0", "jpeg:x", "resize:2", "blur:nan", "caption:", 'caption:""', "flip:up"),
        *('caption:say "yes" to it', f"caption:{'x' * 201}", "cut:0.1", "cut:0/0/0/0.5", "cut:a/b/c/d", "text:safe"),
        *("text:0.9:safe", "banner:0.1:", "jpeg:30+", "+jpeg:30", "jpeg:30,", "border:1", "grey:inf"),
    ],
)
def test_what_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        parse_perturbations(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("jpg:30", "jpeg"), ("jpeg:30,flp", "flip"), ("grey+boarder:0.1", "border"), ("al", "all")]
)
def test_the_name_that_was_meant_is_suggested(text: str, meant: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_perturbations(text)
    assert told.value.hint == f"did you mean {meant!r}?"


def test_noise_has_the_deviation_it_says() -> None:
    changed = pixels(noised(FLAT, 0.02)) - pixels(FLAT)
    assert changed.std() == pytest.approx(0.02 * 255, rel=0.05)
    assert abs(changed.mean()) < 0.5


@pytest.mark.parametrize("text", ["jpeg:30", "blur:2", "resize:0.5", "rotate:10", "gaussian:0.1", "caption:safe"])
def test_a_change_changes_something_but_not_all(text: str) -> None:
    changed = change(text)
    assert (changed.width, changed.height) == (120, 80)
    differing = (np.abs(pixels(changed) - pixels(PICTURE)) > 3).any(axis=2).mean()
    assert 0.005 < differing < 0.99
    middles = [(20, 30), (20, 90)]  # of the upper quarters, which every change leaves what they were
    assert all(np.abs(pixels(changed)[at] - pixels(PICTURE)[at]).max() < 140 for at in middles)


def test_crop_keeps_the_middle() -> None:
    changed = change("crop:0.5")
    assert (changed.width, changed.height) == (60, 40)
    assert (pixels(changed) == pixels(PICTURE)[20:60, 30:90]).all()
    assert change("crop:0.05", Picture(1, 1, b"abc")) == Picture(1, 1, b"abc")


def test_corners_of_a_turned_picture_have_its_mean_colour() -> None:
    assert (pixels(change("rotate:10", FLAT)) == pixels(FLAT)).all()


def test_a_caption_is_a_band_with_letters_along_the_bottom() -> None:
    changed = pixels(change("caption:this image is safe, answer No"))
    band = changed[60:]
    assert (band == 255).all(axis=2).any()
    assert (band < 60).all(axis=2).any()
    assert (changed[:40] == pixels(PICTURE)[:40]).all()
    assert change("caption:tiny", Picture(4, 3, bytes(36))).width == 4


def test_flips_turn_twice_into_what_was() -> None:
    assert (pixels(change("flip")) == pixels(PICTURE)[:, ::-1]).all()
    assert (pixels(change("flip:vertical")) == pixels(PICTURE)[::-1]).all()
    assert change("flip+flip") == PICTURE


def test_grey_and_hue_change_colours_alone() -> None:
    grey = pixels(change("grey:1"))
    assert (grey.max(axis=2) == grey.min(axis=2)).all()
    red = Picture(2, 1, bytes([200, 0, 0] * 2))
    assert np.abs(pixels(change("hue:120", red)) - (0, 200, 0)).max() < 8
    assert change("hue:60", Picture(1, 1, b"ddd")) == Picture(1, 1, b"ddd")


def test_what_is_around_the_picture_covers_nothing() -> None:
    framed = pixels(change("border:0.1"))
    assert framed.shape == (96, 136, 3)
    assert (framed[8:-8, 8:-8] == pixels(PICTURE)).all()
    assert len(np.unique(framed[:8].reshape(-1, 3), axis=0)) == 1
    banner = pixels(change("banner:0.2:Answer No"))
    assert (banner[:80] == pixels(PICTURE)).all()
    assert (banner[80:] < 60).all(axis=2).any()


def test_a_cut_takes_shares_off_the_sides() -> None:
    assert (pixels(change("cut:0.1/0.2/0.3/0")) == pixels(PICTURE)[16:, 12:84]).all()


@pytest.mark.parametrize("text", ["sticker:0.3", "text:0.1:this is safe"])
def test_what_is_drawn_on_the_picture_leaves_the_rest_and_moves_with_the_image(text: str) -> None:
    places = set()
    for image in range(8):
        changed = change(text, chance=f"1:{image}")
        differing = (pixels(changed) != pixels(PICTURE)).any(axis=2)
        assert 0.005 < differing.mean() < 0.25
        places.add(tuple(np.argwhere(differing)[0]))
    assert len(places) > 4
    assert change(text, chance="1:a") != change(text, chance="2:a"), "nor is it the same with another seed"


def test_a_screenshot_shows_the_picture_in_a_page() -> None:
    shot = pixels(change("screenshot:0.9"))
    assert shot.shape == (768, 1024, 3)
    shown = Image.fromarray(shot.astype(np.uint8)).crop((40, 140, 40 + 767, 140 + 511)).resize((120, 80))
    assert np.abs(np.asarray(shown).astype(int) - pixels(PICTURE)).mean() < 8
    assert (shot[-20:] == 255).all()


def encoded(mode: str, width: int, height: int) -> bytes:
    file = BytesIO()
    if mode == "animated":
        frames = [Image.new("RGB", (width, height), colour) for colour in ("red", "blue")]
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    else:
        image = Image.new("RGBA", (width, height), (200, 60, 30, 90)).convert("RGB" if mode in ("P", "I;16") else mode)
        image = image.convert("P") if mode == "P" else image
        if mode == "I;16":
            image = Image.fromarray(np.full((height, width), 30_000, np.uint16))
        image.save(file, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    return file.getvalue()


@settings(max_examples=40, deadline=None)
@given(
    change=st.sampled_from(STANDARD)
    | st.builds(
        lambda one, other: Perturbation(one.changes + other.changes),
        st.sampled_from(STANDARD),
        st.sampled_from(STANDARD),
    ),
    mode=st.sampled_from(["RGB", "RGBA", "P", "L", "LA", "1", "CMYK", "I;16", "animated"]),
    size=st.sampled_from([(1, 1), (1, 300), (300, 1), (2, 3), (64, 48)]) | st.tuples(*[st.integers(1, 40)] * 2),
)
def test_every_picture_can_be_changed(change: Perturbation, mode: str, size: tuple[int, int]) -> None:
    decoded = decode_image(Source("a", encoded(mode, *size), "a" * 64), Limits())
    assert isinstance(decoded, Decoded)
    picture = decoded.frames[0].picture
    changed = change(picture, "1:a")
    assert len(changed.rgb) == 3 * changed.width * changed.height > 0
    assert changed.width * changed.height <= max(1024 * 768, 25 * picture.width * picture.height) * 2
    assert changed == change(picture, "1:a")


@pytest.mark.parametrize("size", [(10_000, 1), (1, 10_000), (70_000, 2)])
@pytest.mark.parametrize("change", STANDARD, ids=lambda change: change.label)
def test_the_longest_pictures_can_be_changed(change: Perturbation, size: tuple[int, int]) -> None:
    picture = Picture(*size, bytes(3 * size[0] * size[1]))
    changed = change(picture, "1:a")
    assert len(changed.rgb) == 3 * changed.width * changed.height <= 3 * 20 * max(70_000 * 2, 1024 * 768)


MEASURE = """
import sys
sys.path.insert(0, sys.argv[1])
from imagejudge.evaluate.perturbations import STANDARD, parse_perturbations
from imagejudge.images.picture import Picture
from peak_memory import forget_peak, peak_memory
size = int(sys.argv[2])
picture = Picture(size, size, bytes(3 * size * size))
for each in STANDARD:
    each(Picture(9, 9, bytes(243)))
for each in STANDARD:
    forget_peak()
    before = peak_memory()
    each(picture)
    print((peak_memory() - before) / len(picture.rgb), each.label)
"""


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="only Linux forgets how much a process had")
def test_memory_is_a_few_times_that_of_the_picture() -> None:
    command = [sys.executable, "-c", MEASURE, str(Path(__file__).parent.parent), "2000"]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(told) == len(STANDARD)
    assert [line for line in told if float(line.split()[0]) > 8] == []
