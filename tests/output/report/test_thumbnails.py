"""Thumbnails: small, of what was judged, and only as many as there is room for."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from page_verdicts import verdict
from PIL import Image

from imagejudge.images.read import Limits
from imagejudge.output.report.records import Subject, records
from imagejudge.output.report.thumbnails import inlined, linked, made


def png(size: tuple[int, int] = (1024, 512), **more: object) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG", **more)  # type: ignore[arg-type]
    return file.getvalue()


def subjects(folder: Path, *files: tuple[str, bytes, bytes]) -> list[Subject]:
    """Files of a name: what was judged, and what is there now."""
    verdicts = []
    for name, judged, now in files:
        (folder / name).write_bytes(now)
        verdicts.append(verdict(str(folder / name), 0.9, data=judged))
    return records(verdicts).subjects


def test_a_thumbnail_is_a_small_webp_without_what_the_file_says_of_itself(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    data = png(exif=exif)
    assert b"a secret place" in data
    (one,) = made(subjects(tmp_path, ("a.png", data, data)), Limits())
    assert isinstance(one, bytes)
    assert b"a secret place" not in one
    with Image.open(BytesIO(one)) as image:
        assert (image.format, image.size) == ("WEBP", (256, 128))


def test_the_judged_frame_is_shown(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    (tmp_path / "a.gif").write_bytes(file.getvalue())
    line = verdict(str(tmp_path / "a.gif"), 0.9, data=file.getvalue(), frame=1, settings={"frames": 3})
    (one,) = made(records([line]).subjects, Limits())
    assert isinstance(one, bytes)
    with Image.open(BytesIO(one)) as image:
        assert image.getpixel((16, 16))[1] > 200  # type: ignore[index]


def test_there_is_a_reason_where_there_is_none(tmp_path: Path) -> None:
    given = subjects(tmp_path, ("a.png", png(), png((9, 9))), ("b.png", b"no image", b"no image"))
    given.append(Subject(str(tmp_path / "gone.png"), "0" * 64, 0, 4))
    changed, broken, gone = made(given, Limits())
    assert changed == "the file was changed since it was judged"
    assert isinstance(broken, str)
    assert gone == "no such file"


def test_there_is_room_for_some() -> None:
    thumbnails = [b"1234", "gone", b"1234", b"1234"]
    line = base64.b64encode(b"1234").decode()
    assert list(inlined(thumbnails)) == [line, "!gone", line, line]
    assert list(inlined(thumbnails, most=2)) == [line, "!gone", line]
    assert list(inlined(thumbnails, room=20)) == [line, "!gone"]


def test_linked_thumbnails_lie_in_a_folder_under_names_of_their_own(tmp_path: Path) -> None:
    given = [Subject("../../x.png", "0" * 64, 2, 4), Subject("y", "1" * 64, 0, 4), Subject("z", "2" * 64, 0, 4)]
    lines = list(linked([b"one", "gone", b"two"], given, tmp_path, most=1))
    assert lines == [f"{'0' * 64}-2.webp", "!gone"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {lines[0]: b"one"}
