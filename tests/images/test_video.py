"""Videos: which frames are sampled, as what pictures, and what becomes of files that are hostile or damaged."""

from __future__ import annotations

import hashlib
import io
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from damaged_files import mutated
from PIL import Image, ImageDraw
from videos import KINDS, film, needs_pyav, plain, shades, source

from imagejudge.errors import EngineFailure
from imagejudge.images.find import find_images
from imagejudge.images.names import Unread
from imagejudge.images.picture import Picture
from imagejudge.images.read import Limits, Unreadable, read_image
from imagejudge.images.thumbnail import judged_picture
from imagejudge.images.video import pyav, reader
from imagejudge.images.video.container import container_of
from imagejudge.images.video.reader import (
    Decoders,
    SampledVideo,
    VideoPictures,
    is_video,
    sample_video,
    video_frame,
)
from imagejudge.images.video.sampling import LONGEST_PART, MOST, Sample, Sampler, of_equal_parts, of_scenes

pytestmark = needs_pyav


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No process goes on decoding."""
    yield
    assert not [each for each in psutil.Process().children() if "imagejudge.images.video.child" in each.cmdline()]


def sampled(data: bytes, limits: Limits = Limits()) -> SampledVideo:  # noqa: B008 - frozen
    video = sample_video(source(data), limits, Decoders())
    assert isinstance(video, SampledVideo), video
    return video


def refused(data: bytes, limits: Limits = Limits()) -> Unreadable:  # noqa: B008 - frozen
    video = sample_video(source(data), limits, Decoders())
    assert isinstance(video, Unreadable), video
    assert video.message.isprintable()
    return video


def shown(data: bytes, index: int) -> Picture:
    picture = video_frame(source(data), index, Limits())
    assert isinstance(picture, Picture), picture
    return picture


def times(video: SampledVideo) -> list[float]:
    return [sample.time for sample in video.samples]


@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_a_second_of_every_kind(kind: str) -> None:
    data = shades(kind)
    video = sampled(data)
    facts = video.facts
    assert (facts.width, facts.height, facts.frames, video.step) == (64, 48, 60, 1.0)
    assert facts.duration == pytest.approx(6.0, abs=0.01)
    assert (facts.format, facts.codec) == {
        "MP4": ("MP4", "h264"),
        "QuickTime": ("MP4", "mpeg4"),
        "Matroska": ("Matroska", "mpeg4"),
        "WebM": ("Matroska", "vp8"),
        "AVI": ("AVI", "mpeg4"),
        "MPEG-TS": ("MPEG-TS", "h264"),
    }[kind]
    assert [sample.index for sample in video.samples] == [0, 10, 20, 30, 40, 50]
    assert times(video) == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.01)
    pictures = VideoPictures(source(data), facts, [sample.index for sample in video.samples], Limits(), Decoders())
    for number, sample in enumerate(video.samples):
        picture = pictures.of(sample.index)
        assert abs(picture.rgb[0] - (20 + 20 * number)) < 6
        assert len(picture.rgb) == pictures.held
        size = b"%d %d " % (picture.width, picture.height)
        assert hashlib.sha256(size + picture.rgb).hexdigest().startswith(sample.digest)
    assert abs(pictures.of(20).rgb[0] - 60) < 6  # once more from the start
    pictures.give_up()


def test_frames_in_the_middle_of_equal_parts() -> None:
    video = sampled(shades(), Limits(video_frames=4))
    assert (video.step, times(video)) == (1.5, [0.7, 2.2, 3.7, 5.2])  # those on the screen at 0.75, 2.25 ...
    assert times(sampled(shades(), Limits(video_frames=1))) == [3.0]
    assert len(times(sampled(shades(), Limits(video_frames=600)))) == 60  # each once


def test_given_up_pictures_hold_no_file() -> None:
    held = source(shades())
    before = sys.getrefcount(held)
    pictures = VideoPictures(held, sampled(shades()).facts, [0], Limits(), Decoders())
    pictures.of(0)
    pictures.give_up()
    assert sys.getrefcount(held) == before


@pytest.mark.exhaustive
def test_frames_are_not_held_together() -> None:
    """1100 of them are more than the process may have."""
    data = film([plain(50, (1920, 1080))] * 1100, "QuickTime", rate=30)
    for limits in (Limits(video_frames=3), Limits(every=0.05)):
        assert sampled(data, limits).facts.frames == 1100


def test_time_is_what_the_file_says_not_a_rate() -> None:
    """What is shown from 0.9 to 5.3 s is on the screen at the steps 1 to 5, though no frame begins there."""
    video = sampled(film([plain(20), plain(200), plain(60)], "Matroska", times=[0, 0.9, 5.3]), Limits(every=2))
    assert [(sample.index, sample.time) for sample in video.samples] == [(0, 0), (1, 0.9)]
    assert video.facts.duration == pytest.approx(5.4, abs=0.1)


def test_what_is_shown_for_a_step_is_seen() -> None:
    for start, step in itertools.product((0.0, 0.1, 1.7, 12.34), (0.5, 1.0, 3.0)):
        assert Sampler(step).wants(start, start + step)
        assert of_equal_parts(30, 30 * step).wants(start, start + step)
        cut = of_scenes([0.0, 0.3, 1.0, 14.0, 14.1], 20.0)
        assert cut.step <= LONGEST_PART
        assert cut.wants(start, start + cut.step)
    assert not Sampler(1.0).wants(1.1, 1.9)


def test_each_scene_is_seen_and_long_ones_in_parts() -> None:
    cut = of_scenes([0.0, 1.0, 8.0], 8.5)
    assert cut.moments == pytest.approx([0.5, 1 + 7 / 6, 1 + 7 / 2, 1 + 35 / 6, 8.25])
    assert cut.step == pytest.approx(7 / 3)
    assert of_scenes([0.0], 0.04).moments == [0.02]


@pytest.mark.parametrize(("scenes", "length"), [(1, 7200.0), (5000, 0.2), (601, 3.0), (400, 7.0)])
def test_scenes_are_never_too_many(scenes: int, length: float) -> None:
    cut = of_scenes([number * length for number in range(scenes)], scenes * length)
    assert cut.moments is not None
    assert MOST / 4 < len(cut.moments) <= MOST
    assert all(after - before <= cut.step + 1e-6 for before, after in itertools.pairwise(cut.moments))
    assert cut.moments[-1] > scenes * length - cut.step


def quick_cuts() -> list[Image.Image]:
    """Scenes of 0.4, 1, 7 and 0.3 seconds, the last two equally bright; in the long one something moves."""
    pictures = [plain((200, 40, 40))] * 4 + [plain(20)] * 10
    for at in range(70):
        moving = plain((60, 60, 220), (160, 120))
        ImageDraw.Draw(moving).rectangle((2 * at - 10, 40, 2 * at + 10, 80), (250, 250, 250))
        pictures.append(moving.resize((64, 48)))
    return [*pictures, *[plain((60, 122, 20))] * 3]


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_are_found(kind: str) -> None:
    video = sampled(film(quick_cuts(), kind), Limits(scenes=True))
    assert [sample.index for sample in video.samples] == [2, 9, 25, 49, 72, 85]
    assert video.step == pytest.approx(7 / 3, abs=0.01)


def test_a_video_without_cuts_is_one_scene() -> None:
    video = sampled(shades(), Limits(scenes=True))
    assert (video.step, times(video)) == (3.0, [1.5, 4.5])
    assert times(sampled(film([plain(50)]), Limits(scenes=True))) == [0.0]


def test_a_long_video_is_seen_to_its_end() -> None:
    sampler = Sampler(1.0)
    small = plain(0, (2, 2))
    for second in range(5000):
        if sampler.wants(second, second + 1):
            sampler.add(Sample(second, second, second + 1, str(second), small))
    assert sampler.step == 16.0
    assert [sample.start for sample in sampler.samples] == list(range(0, 5000, 16))
    assert len(sampler.samples) <= MOST


def test_frames_that_look_the_same_are_judged_once() -> None:
    noted = plain(120, (640, 360))
    ImageDraw.Draw(noted).rectangle((300, 200, 311, 211), fill=(200, 30, 30))
    seconds = [plain(120, (640, 360))] * 3 + [noted] * 2 + [plain(120, (640, 360))]
    digests = [sample.digest for sample in sampled(film(seconds, rate=1)).samples]
    assert digests == [*[digests[0]] * 3, *[digests[3]] * 2, digests[5]]
    assert len(set(digests)) > 1
    assert len({sample.digest for sample in sampled(film([plain(50 + at) for at in range(12)], rate=1)).samples}) > 3


@pytest.mark.parametrize(("turn", "corner"), [(90, "bottom left"), (-90, "top right"), (180, "bottom right")])
def test_pictures_are_upright(turn: int, corner: str) -> None:
    picture = plain(0, (64, 32))
    ImageDraw.Draw(picture).rectangle((0, 0, 31, 15), fill="white")
    data = film([picture] * 3, turn=turn)
    facts = sampled(data).facts
    assert (facts.width, facts.height) == ((64, 32) if turn == 180 else (32, 64))
    seen = shown(data, 0)
    assert (seen.width, seen.height) == (facts.width, facts.height)
    image = Image.frombytes("RGB", (seen.width, seen.height), seen.rgb)
    places = {"top left": (4, 4), "top right": (-4, 4), "bottom left": (4, -4), "bottom right": (-4, -4)}
    bright = [
        name
        for name, (x, y) in places.items()
        if image.getpixel((x % seen.width, y % seen.height))[0] > 128  # type: ignore[index]
    ]
    assert bright == [corner]


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_is_an_error(kind: str) -> None:
    noise = [Image.effect_noise((160, 120), 60 + at).convert("RGB") for at in range(30)]
    data = film(noise, kind)
    middle = len(data) // 2
    for hole in (3000, len(data) // 4):
        holed = data[:middle] + bytes(hole) + data[middle + hole :]
        if (kind, hole) != ("WebM", 3000):  # within one frame, of which VP8 decodes whatever there is
            assert refused(holed).kind in {"corrupt", "truncated"}
    if kind != "MPEG-TS":  # which does not say how long it is
        assert refused(data[:middle]).kind == "truncated"
        assert refused(data[: len(data) - 10]).kind == "truncated"
    tail = data[middle:]
    assert not is_video(source(tail)) or refused(tail).kind in {"corrupt", "truncated"} or kind == "MPEG-TS"


def test_what_is_no_video() -> None:
    for data in (b"", b"#EXTM3U\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n", bytes(5000), b"G" * 99):
        assert container_of(data) is None
    begun = b"\0\0\0\x18ftypisom\0\0\0\0isommp42"
    assert refused(begun).kind in {"corrupt", "truncated"}
    assert refused(begun + bytes(range(256)) * 20).kind in {"corrupt", "truncated"}
    assert refused(b"\x1a\x45\xdf\xa3").kind in {"corrupt", "truncated"}


def test_sound_alone() -> None:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    assert refused(file.getvalue()).kind == "unsupported"


def test_size_and_time_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(shades(), Limits(pixels=64 * 48 - 1)).kind == "too-many-pixels"
    monkeypatch.setattr(reader, "_SECONDS", 0.05)
    assert refused(shades()).kind == "too-long"


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the system does not say what a process may take")
def test_the_process_may_take_little() -> None:
    decoders = Decoders()
    pictures = VideoPictures(source(shades()), sampled(shades()).facts, range(60), Limits(), decoders)
    pictures.of(0)
    (child,) = psutil.Process().children()
    told = dict(line.split("  ", 1) for line in Path(f"/proc/{child.pid}/limits").read_text().splitlines())
    assert told["Max address space"].split()[0] == "3000000000"
    assert told["Max file size"].split()[0] == "0"
    decoders.close()
    with pytest.raises(EngineFailure):
        pictures.of(59)


def test_closing_ends_what_another_thread_waits_for() -> None:
    decoders = Decoders()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(sample_video(source(shades()), Limits(), decoders)))
    thread.start()
    while not psutil.Process().children():  # which take longer to start than this thread to see them
        time.sleep(0.01)
    decoders.close()
    thread.join()
    assert isinstance(found[0], Unreadable)
    assert isinstance(sample_video(source(shades()), Limits(), decoders), Unreadable)


def test_the_judged_frame_as_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(shades())
    picture = judged_picture(read_image(str(path), Limits()), source(shades()).sha256, 30, Limits())
    assert isinstance(picture, Picture)
    assert abs(picture.rgb[0] - 80) < 6


def test_videos_in_folders_where_they_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.MP4", "b.webm", "c.mkv", "notes.txt", "d.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "e.ts").write_bytes(shades("MPEG-TS"))
    (tmp_path / "program.ts").write_text("export const x: number = 1;\n" * 100)
    passed: list[tuple[str, Unread]] = []

    def names() -> list[str]:
        refs = find_images([str(tmp_path)], passed_over=lambda path, what: passed.append((Path(path).name, what)))
        return [Path(ref.path).name for ref in refs]

    assert names() == ["a.MP4", "b.webm", "c.mkv", "d.png", "e.ts"]
    assert passed == []
    monkeypatch.setattr("imagejudge.images.find.pyav", lambda: None)
    assert names() == ["d.png"]
    assert passed == [(name, Unread.VIDEO) for name in ("a.MP4", "b.webm", "c.mkv", "e.ts")]


def test_without_the_extra_a_video_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pyav()
    monkeypatch.setattr(reader, "pyav", lambda: None)
    why = refused(shades())
    assert why.kind == "unsupported"
    assert "pip install '.[video]' in a clone" in why.message


def check_mutation(number: int) -> None:
    """One damaged file: frames, or an error of a known kind, in bounded time."""
    random = Random(number)
    kinds = list(KINDS)
    data = mutated(shades(kinds[number % len(kinds)]), random, [shades(kind) for kind in kinds])
    if not is_video(source(data)):
        return
    started = time.monotonic()
    video = sample_video(source(data), Limits(pixels=1_000_000), Decoders())
    assert time.monotonic() - started < 60, number
    if isinstance(video, Unreadable):
        assert video.kind in {"truncated", "corrupt", "unsupported", "too-many-pixels"}, number
        assert video.message.isprintable()
    else:
        assert 1 <= len(video.samples) <= MOST, number
        assert all(one.time < other.time for one, other in itertools.pairwise(video.samples)), number


def test_some_mutations() -> None:
    for number in range(len(KINDS)):
        check_mutation(number)


@pytest.mark.slow
def test_more_mutations() -> None:
    for number in range(len(KINDS), 150):
        check_mutation(number)
