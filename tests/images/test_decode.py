"""What becomes of a file's bytes. Pixels are compared exactly wherever a format is lossless."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import make_images
import numpy as np
import pytest
from decoding import LIMITS, close, decoded, greys, pixels, refused, source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make_images import BLACK, BLUE, GREEN, HEIGHT, RED, WHITE, WIDTH, encode, quarters
from PIL import Image

from imagejudge.images import decode as module
from imagejudge.images import pillow_reader
from imagejudge.images.decode import decode_image
from imagejudge.images.read import Limits, Source, Unreadable, read_image
from imagejudge.verdict import ImageFacts

GREY = (127, 127, 127)
SECONDS = 3.0
"""Of work on a small file, with much to spare for a busy machine."""
THIRDS = 1_000_000, struct.pack("<2I", 1, 3) * 1_000_000
"""Values that are costly to unpack."""


def test_the_documentation_names_every_kind() -> None:
    parts = ("read", "formats", "decode", "pillow_reader", "png", "gif", "webp", "jpeg", "tiff", "icon")
    parts += tuple(f"video/{name}" for name in ("container", "child", "reader"))
    parts += tuple(f"shards/{name}" for name in ("tar", "table", "parquet", "__init__"))
    files = [Path(module.__file__).parent / f"{name}.py" for name in parts]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    kinds = set(re.findall(r'(?:Unreadable|Refused)\(\s*"([a-z-]+)"', code))
    table = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8").partition("| kind |")[2]
    assert set(re.findall(r"^\| `([a-z-]+)`", table, re.M)) == kinds | {"internal"}  # which is no kind of file


class TestRead:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def refusal(self, path: str, limits: Limits = LIMITS) -> str:
        result = read_image(path, limits)
        assert isinstance(result, Unreadable), result
        assert result.message
        return result.kind

    @pytest.mark.parametrize("name", ["a.png", " a\n.png", "-rf.png", "\udcff\udcfe.png"])
    def test_a_file(self, name: str) -> None:
        Path(name).write_bytes(b"abc")
        assert read_image(name, LIMITS) == Source(name, b"abc", hashlib.sha256(b"abc").hexdigest())

    @pytest.mark.parametrize("path", ["gone.png", "", "a\0b", "\ud800", "file/below.png"])
    def test_missing(self, path: str) -> None:
        Path("file").write_bytes(b"x")
        assert self.refusal(path) == "missing"

    def test_a_link_to_nowhere_is_told_as_such(self) -> None:
        Path("link.png").symlink_to("gone.png")
        result = read_image("link.png", LIMITS)
        assert isinstance(result, Unreadable)
        assert (result.kind, "symbolic link" in result.message) == ("missing", True)
        Path("loop.png").symlink_to("loop.png")
        assert self.refusal("loop.png") == "io"

    def test_a_name_too_long(self) -> None:
        assert self.refusal("x" * 5000) == "io"

    def test_empty(self) -> None:
        Path("a.png").touch()
        result = read_image("a.png", LIMITS)
        assert isinstance(result, Unreadable)
        assert (result.kind, result.sha256) == ("empty", hashlib.sha256(b"").hexdigest())

    def test_byte_limit(self) -> None:
        Path("a.png").write_bytes(b"12345")
        assert isinstance(read_image("a.png", Limits(bytes=5)), Source)
        assert self.refusal("a.png", Limits(bytes=4)) == "too-large"

    def test_a_huge_file_is_not_read(self) -> None:
        with Path("a.png").open("wb") as file:
            file.truncate(10**12)
        assert self.refusal("a.png") == "too-large"

    @pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
    @pytest.mark.parametrize("name", ["/proc/self/maps", "/proc/kmsg", "/proc/self/mem", "/sys/kernel/notes"])
    def test_the_kernel_s_files_are_not_read(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("link.png").symlink_to(name)
        monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
        wanted = "not-a-file" if Path(name).exists() else "missing"
        assert self.refusal(name) == self.refusal("link.png") == wanted

    def test_a_file_that_tells_no_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Such as on some network file systems."""
        Path("a.png").write_bytes(b"12345")
        times = {"st_mtime_ns": 0, "st_ctime_ns": 0}
        monkeypatch.setattr(os, "fstat", lambda _: os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, 0, 0, 0, 0), times))
        assert isinstance(read_image("a.png", LIMITS), Source)
        assert self.refusal("a.png", Limits(bytes=4)) == "too-large"

    def test_a_file_that_would_have_to_be_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("a.png").write_bytes(b"12345")
        reading, writing = os.pipe()
        monkeypatch.setattr(os, "open", lambda *_: reading)
        os.set_blocking(reading, False)
        status = Path("a.png").stat()
        monkeypatch.setattr(os, "fstat", lambda _: status)
        assert self.refusal("a.png") == "io"
        os.close(writing)

    def test_no_waiting_for_pipes_sockets_and_devices(self) -> None:
        os.mkfifo("pipe.png")
        assert self.refusal("pipe.png") == "not-a-file"
        assert self.refusal("/dev/zero") == "not-a-file"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.png")
            assert self.refusal("socket.png") == "not-a-file"

    def test_a_file_that_becomes_a_pipe_before_it_is_opened(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("a.png").write_bytes(b"x")
        status = Path("a.png").stat()
        Path("a.png").unlink()
        os.mkfifo("a.png")
        monkeypatch.setattr(os, "stat", lambda path: status)
        assert self.refusal("a.png") == "not-a-file"

    def test_folder(self) -> None:
        Path("folder.png").mkdir()
        assert self.refusal("folder.png") == "folder"

    def test_no_permission(self) -> None:
        Path("a.png").write_bytes(b"x")
        Path("a.png").chmod(0)
        Path("d").mkdir(mode=0)
        with make_images.unprivileged():
            assert self.refusal("a.png") == "permission"
            assert self.refusal("d") == "permission"
            assert self.refusal("d/a.png") == "permission"


class TestFormats:
    @pytest.mark.parametrize("name", make_images.good())
    def test_every_format_is_read(self, name: str) -> None:
        result = decoded(make_images.good()[name])
        format_ = {"jpg": "JPEG", "heic": "HEIF"}.get(name.rpartition(".")[2], name.rpartition(".")[2].upper())
        many = not name.startswith("image")
        size = (16, 16) if format_ == "ICO" else (WIDTH, HEIGHT)
        assert result.facts == ImageFacts(width=size[0], height=size[1], format=format_, frames=6 if many else 1)
        assert [frame.index for frame in result.frames] == ([0, 1, 3, 5] if many else [0])
        if not many:
            lossy = {"JPEG": 12, "AVIF": 8, "HEIF": 8}
            assert close(result.frames[0].picture, quarters(*size), lossy.get(format_, 0))

    def test_the_name_does_not_matter_but_the_bytes(self, tmp_path: Path) -> None:
        path = tmp_path / "really-a-png.jpg"
        path.write_bytes(make_images.good()["image.png"])
        file = read_image(str(path), LIMITS)
        assert isinstance(file, Source)
        assert decoded(file.data).facts.format == "PNG"

    @pytest.mark.parametrize("name", [name for name, (kind, _) in make_images.bad().items() if kind != "empty"])
    def test_every_bad_file_is_told(self, name: str) -> None:
        kind, data = make_images.bad()[name]
        result = refused(data)
        assert result.kind == kind
        assert ";" in result.message  # what is wrong; what to do
        assert result.message.isprintable()

    @pytest.mark.parametrize(
        ("data", "word"),
        [
            (b"<svg/>", "SVG"),
            (b"\xef\xbb\xbf\n<!-- drawn --><svg>", "SVG"),
            (b"8BPS\0\1", "Photoshop"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (b"\0\0\2\0\1\0", "cursor"),
            (b"\0\0\0\x18ftypisom", "video"),
        ],
    )
    def test_known_formats_that_are_not_read(self, data: bytes, word: str) -> None:
        result = refused(data)
        assert result.kind == "unsupported"
        assert word in result.message

    def test_heif_without_its_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        pillow_reader.available.cache_clear()
        result = refused(make_images.good()["image.heic"])
        pillow_reader.available.cache_clear()
        assert result.kind == "unsupported"
        assert "pip install '.[heif]' in a clone" in result.message

    def test_a_jpeg_with_more_behind_it_is_its_first_picture(self) -> None:
        plain = Image.new("RGB", (4, 4), BLUE)
        result = decoded(encode(quarters(), "MPO", save_all=True, append_images=[plain], quality=95, subsampling=0))
        assert (result.facts.format, result.facts.frames) == ("JPEG", 1)
        assert close(result.frames[0].picture, quarters(), 12)

    def test_the_largest_icon(self) -> None:
        image = quarters(64, 64)
        assert decoded(encode(image, "ICO", sizes=[(16, 16), (48, 48), (32, 32)])).facts.width == 48
        assert decoded(encode(image, "ICO", sizes=[(16, 16), (32, 32)], bitmap_format="bmp")).facts.width == 32

    def test_importing_loads_no_pillow(self) -> None:
        code = "import sys, imagejudge.images.decode; sys.exit('PIL' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestPixels:
    def test_grey_16_bit(self) -> None:
        values = np.array([[0, 255, 256, 32768, 65279, 65535]])
        assert greys(make_images.png_16(values, 0)) == [0, 0, 1, 128, 254, 255]
        assert greys(encode(Image.fromarray(values.astype(np.uint16)), "TIFF", compression="tiff_lzw"))[3] == 128
        big_endian = encode(Image.frombytes("I;16B", (2, 1), b"\x80\0\xff\xff"), "TIFF")
        assert greys(big_endian) == [128, 255]
        assert greys(b"P5 2 1 65535\n\x80\0\xff\xff") == [128, 255]
        assert greys(b"P5 2 1 1000\n" + struct.pack(">HH", 500, 1000)) == [128, 255]

    def test_color_16_bit(self) -> None:
        assert pixels(make_images.png_16(np.array([[0, 32768, 65535]]), 2)) == [(0, 128, 255)]
        assert pixels(make_images.png_16(np.array([[65535, 0, 0, 32768]]), 6)) == [(255, 127, 127)]
        assert pixels(make_images.png_16(np.array([[0, 32768, 65535, 0]]), 4)) == [GREY, WHITE]
        assert pixels(b"P6 1 1 65535\n\0\0\x80\0\xff\xff") == [(0, 128, 255)]

    def test_tiff_with_other_depths(self) -> None:
        assert greys(make_images.tiff(b"\xff\xf0\0\x80\x08\0", (4, 1), bits=12)) == [255, 0, 128, 128]
        assert greys(make_images.tiff(struct.pack("<3h", -32768, 0, 32767), (3, 1), bits=16, format=2)) == [0, 128, 255]
        assert greys(make_images.tiff(struct.pack("<3i", 0, 1000, 2000), (3, 1), bits=32)) == [0, 128, 255]

    @pytest.mark.parametrize(("bits", "values"), [(8, b"\0\x40\xff"), (16, b"\0\0\0\x40\xff\xff")])
    def test_tiff_where_zero_is_white(self, bits: int, values: bytes) -> None:
        assert greys(make_images.tiff(values, (3, 1), bits=bits, photometric=0)) == [255, 191, 0]

    @pytest.mark.parametrize(
        ("values", "out"),
        [
            ([0, 0.5, 1], [0, 128, 255]),
            ([0.25, 0.5], [64, 128]),
            ([-10, 0, 10], [0, 128, 255]),
            ([100, 300], [0, 255]),
            ([7, 7], [0, 0]),
            ([float("nan"), float("inf"), float("-inf"), 0.5], [0, 255, 0, 128]),
            ([float("nan"), float("nan")], [0, 0]),
            ([-3e38, 0, 3e38], [0, 128, 255]),
        ],
    )
    def test_floating_point(self, values: list[float], out: list[int]) -> None:
        data = struct.pack(f"<{len(values)}f", *values)
        assert greys(make_images.tiff(data, (len(values), 1), bits=32, format=3)) == out
        inverted = make_images.tiff(data, (len(values), 1), bits=32, format=3, photometric=0)
        assert greys(inverted) == [255 - value for value in out]

    def test_portable_float_map(self) -> None:
        assert greys(b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0, 1)) == [0, 255]

    @pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
    @pytest.mark.parametrize(
        ("ink", "color"),
        [
            ((255, 0, 0, 0), (0, 255, 255)),
            ((0, 255, 0, 0), (255, 0, 255)),
            ((0, 0, 255, 0), (255, 255, 0)),
            ((0, 0, 0, 255), BLACK),
            ((0, 0, 0, 128), GREY),
            ((0, 0, 0, 0), WHITE),
        ],
    )
    def test_inks(self, format_: str, ink: tuple[int, ...], color: tuple[int, ...]) -> None:
        data = encode(Image.new("CMYK", (8, 8), ink), format_, quality=100)
        assert set(pixels(data)) == {color}

    @pytest.mark.parametrize(("ink", "color"), [((0, 255, 255), RED), ((255, 0, 255), GREEN), ((0, 0, 0), WHITE)])
    def test_inks_stored_as_ycck(self, ink: tuple[int, ...], color: tuple[int, ...]) -> None:
        """As Photoshop writes them: luma and chroma of the inks, but black upside down. libjpeg writes only plain CMYK,
        so luma and chroma go in as if they were inks, and the marker is changed afterwards."""
        luma = [255 - value for value in Image.new("RGB", (1, 1), ink).convert("YCbCr").tobytes()]
        data = encode(Image.new("CMYK", (8, 8), (*luma, 0)), "JPEG", quality=100)
        transform = data.index(b"Adobe") + 11
        (seen,) = set(pixels(data[:transform] + b"\2" + data[transform + 1 :]))
        assert max(abs(one - other) for one, other in zip(seen, color, strict=True)) <= 2

    def test_alpha_over_white(self) -> None:
        for format_ in ("PNG", "TIFF", "WEBP"):
            data = encode(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), format_, **_lossless(format_))
            assert pixels(data) == [(255, 127, 127)]
        assert pixels(encode(Image.new("RGBA", (1, 1), (9, 9, 9, 0)), "PNG")) == [WHITE]
        assert pixels(encode(Image.new("LA", (1, 1), (0, 128)), "PNG")) == [GREY]
        assert pixels(encode(Image.new("PA", (1, 1), (0, 128)), "TIFF")) == [GREY]
        assert pixels(encode(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "ICO"))[0] == WHITE

    def test_colors_multiplied_by_alpha(self) -> None:
        data = bytearray(encode(Image.new("RGBA", (1, 1), (128, 0, 0, 128)), "TIFF"))
        extra = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
        data[extra] = 1  # ExtraSamples: associated alpha
        assert pixels(bytes(data)) == [(255, 127, 127)]

    def test_palette(self) -> None:
        image = Image.new("P", (3, 1))
        image.putpalette([*RED, *GREEN, *BLUE])
        image.putdata([0, 1, 2])
        for format_ in ("PNG", "GIF", "BMP", "TIFF"):
            assert pixels(encode(image, format_)) == [RED, GREEN, BLUE]
        for format_ in ("PNG", "GIF"):
            assert pixels(encode(image, format_, transparency=1)) == [RED, WHITE, BLUE]
        assert pixels(encode(image, "PNG", transparency=b"\0\x80\xff")) == [WHITE, (127, 255, 127), BLUE]

    def test_a_transparent_color(self) -> None:
        assert pixels(encode(quarters(), "PNG", transparency=BLUE)) == pixels(
            encode(_with(quarters(), BLUE, WHITE), "PNG")
        )
        for depth, row, top in ((1, 0b10000000, 1), (2, 0b11000000, 3), (4, 0xF0, 15), (8, 255, 255)):
            rows = np.array([[row]], np.uint8)
            solid = greys(make_images.png(rows, depth, 0))
            assert solid == [255, *[0] * (8 // depth - 1)]
            for clear in (0, top):
                data = make_images.png(rows, depth, 0, (b"tRNS", struct.pack(">H", clear)))
                ground = 128  # since all that is drawn is white
                assert greys(data) == ([255, *[ground] * (len(solid) - 1)] if clear == 0 else solid)
        grey = np.array([[0, 4660, 65535]])
        assert greys(make_images.png_16(grey, 0, (b"tRNS", struct.pack(">H", 4660)))) == [0, 255, 255]
        color = np.array([[0, 32768, 65535, 0, 0, 0]])
        chunk = (b"tRNS", struct.pack(">HHH", 0, 32768, 65535))
        assert pixels(make_images.png_16(color, 2, chunk)) == [WHITE, BLACK]

    def test_other_kinds_of_color(self) -> None:
        assert greys(encode(Image.new("1", (2, 1), 1), "PNG")) == [255, 255]
        assert greys(encode(Image.new("L", (1, 1), 77), "WEBP", lossless=True)) == [77]
        assert pixels(encode(Image.new("YCbCr", (1, 1), (128, 128, 128)), "TIFF", compression="tiff_lzw")) == [
            (128, 128, 128)
        ]
        assert min(pixels(encode(Image.new("LAB", (1, 1), (255, 128, 128)), "TIFF"))[0]) >= 254

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF"])
    def test_orientation(self, format_: str, orientation: int) -> None:
        result = decoded(make_images.turned(orientation, format_, **_lossless(format_)))
        assert (result.facts.width, result.facts.height) == (WIDTH, HEIGHT)
        assert close(result.frames[0].picture, quarters(), 12 if format_ in ("JPEG", "AVIF", "HEIF") else 0)

    def test_orientation_of_compressed_tiff(self) -> None:
        for orientation in range(1, 9):
            result = decoded(make_images.turned(orientation, "TIFF", compression="tiff_lzw"))
            assert close(result.frames[0].picture, quarters(), 0)

    @pytest.mark.parametrize("exif", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
    def test_damaged_notes_do_not_matter(self, exif: bytes) -> None:
        assert close(decoded(encode(quarters(), "PNG", exif=exif)).frames[0].picture, quarters(), 0)

    @pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
    @pytest.mark.parametrize(
        ("kind", "count", "values"),
        [(4, 1, b"\6\0\0\0"), (3, 2, b"\6\0\6\0"), (5, 1, b"\6\0\0\0\1\0\0\0"), (2, 1, b"\6"), (3, 0, b"\6\0")],
    )
    def test_an_orientation_of_another_kind_turns_nothing(
        self, format_: str, kind: int, count: int, values: bytes
    ) -> None:
        """As in browsers, where it is one short number."""
        if format_ == "TIFF":
            data = make_images.tiff_with(encode(quarters(), "TIFF"), (0x0112, kind, count, values))
        else:
            data = _noted(format_, make_images.exif(kind, count, values))
        assert close(decoded(data).frames[0].picture, quarters(), 12 if format_ == "JPEG" else 0)

    def test_an_orientation_behind_what_writers_put_before_it_twice(self) -> None:
        assert decoded(_noted("WEBP", b"Exif\0\0" * 2 + make_images.exif(3, 1, b"\6\0"))).facts.width == HEIGHT

    @pytest.mark.parametrize("note", [b"", b"rubbish", make_images.exif(3, 1, b"\6\0")])
    def test_an_avif_is_not_turned_by_exif(self, note: bytes) -> None:
        """It has fields of its own for that. Nor does it matter in what state the EXIF is."""
        assert close(decoded(make_images.avif_with(note)).frames[0].picture, quarters(), 8)

    def test_an_orientation_that_does_not_exist(self) -> None:
        assert close(decoded(make_images.turned(99)).frames[0].picture, quarters(), 0)


def _noted(format_: str, exif: bytes) -> bytes:
    """`quarters` with this EXIF, to the byte."""
    if format_ == "PNG":
        return make_images.png_with(make_images.good()["image.png"], b"eXIf", exif)
    if format_ == "AVIF":
        return make_images.avif_with(exif)
    data = encode(quarters(), format_, **_lossless(format_))
    if format_ == "JPEG":
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + data[2:]
    return make_images.riff([(b"VP8L", data[20:]), (b"EXIF", exif)])


def _lossless(format_: str) -> dict[str, object]:
    return {
        "WEBP": {"lossless": True, "exact": True},
        "JPEG": {"quality": 95, "subsampling": 0},
        "AVIF": {"quality": 95, "subsampling": "4:4:4"},
        "HEIF": {"quality": 95, "chroma": 444},
    }.get(format_, {})


def _with(image: Image.Image, old: tuple[int, ...], new: tuple[int, ...]) -> Image.Image:
    values = np.array(image)
    values[(values == old).all(axis=2)] = new
    return Image.fromarray(values)


class TestFrames:
    @pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize(
        ("wanted", "indexes"),
        [(1, [0]), (2, [0, 9]), (3, [0, 4, 9]), (4, [0, 3, 6, 9]), (10, [*range(10)]), (99, [*range(10)])],
    )
    def test_frames_are_spread_evenly(self, format_: str, wanted: int, indexes: list[int]) -> None:
        data = make_images.animation(format_, make_images.shades(10), **_lossless(format_))
        result = decoded(data, Limits(frames=wanted))
        assert result.facts.frames == 10
        assert [frame.index for frame in result.frames] == indexes
        for frame in result.frames:
            red = frame.index * 5
            assert set(_colors(frame)) == {(red, 255 - red, 40)}

    @pytest.mark.parametrize("disposal", [0, 1, 2, 3])
    def test_gif_disposal(self, disposal: int) -> None:
        frames = [_dot(at) for at in range(3)]
        data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=disposal, transparency=0)
        assert [_dots(frame) for frame in decoded(data).frames] == {
            0: [[0], [0, 1], [0, 1, 2]],
            1: [[0], [0, 1], [0, 1, 2]],
            2: [[0], [1], [2]],
            3: [[0], [1], [2]],
        }[disposal]

    @pytest.mark.parametrize(
        ("disposal", "blend", "dots"),
        [
            (0, 0, [[0], [1], [2]]),
            (0, 1, [[0], [0, 1], [0, 1, 2]]),
            (1, 1, [[0], [1], [2]]),
        ],
    )
    def test_apng_disposal_and_blending(self, disposal: int, blend: int, dots: list[list[int]]) -> None:
        frames = [_dot(at).convert("RGBA") for at in range(3)]
        frames = [Image.composite(frame, Image.new("RGBA", frame.size), _red(frame)) for frame in frames]
        data = encode(
            frames[0],
            "PNG",
            save_all=True,
            append_images=frames[1:],
            disposal=disposal,
            blend=blend,
            default_image=False,
        )
        assert [_dots(frame) for frame in decoded(data).frames] == dots

    def test_frames_smaller_than_the_canvas(self) -> None:
        data = make_images.gif(2, 3, 2)
        frame = decoded(data).frames[1]
        assert (frame.picture.width, frame.picture.height) == (3, 2)

    def test_pages_of_different_sizes(self) -> None:
        small, large = quarters(4, 2), quarters(20, 10)
        data = encode(small, "TIFF", save_all=True, append_images=[large])
        result = decoded(data)
        assert (result.facts.width, result.facts.height) == (4, 2)
        assert close(result.frames[1].picture, large, 0)
        assert refused(data, Limits(pixels=100)).kind == "too-many-pixels"

    def test_a_tiff_whose_pages_go_in_a_circle(self) -> None:
        assert decoded(make_images.tiff(b"\x40", (1, 1), bits=8, following=9)).facts.frames == 1

    def test_more_frames_said_than_there_are(self) -> None:
        data = make_images.good()["animated.png"]
        at = data.index(b"acTL")
        said = make_images.png_chunk((b"acTL", struct.pack(">II", 1_000_000, 0)))
        assert refused(data[: at - 4] + said + data[at + 16 :]).kind == "truncated"

    def test_endless_animations_are_looked_at_from_their_start(self) -> None:
        result = decoded(make_images.gif(100_000))
        assert (result.facts.frames, [frame.index for frame in result.frames]) == (10_000, [0, 3333, 6666, 9999])

    def test_large_animations_are_looked_at_from_their_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_PLAYED_PIXELS", 1000)
        animation = make_images.animation("GIF", make_images.shades(30))
        assert [frame.index for frame in decoded(animation).frames] == [0, 3, 6, 9]
        assert [frame.index for frame in decoded(make_images.gif(90, 50, 50)).frames] == [0, 29, 59, 89]  # of one pixel
        monkeypatch.setattr(module, "_PLAYED_PIXELS", 50)
        assert [frame.index for frame in decoded(animation).frames] == [0]
        pages = decoded(encode(quarters(50, 50), "TIFF", save_all=True, append_images=[quarters()] * 4))
        assert [frame.index for frame in pages.frames] == [0, 1, 2, 4]

    def test_large_frames_are_kept_only_as_memory_allows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_KEPT_PIXELS", 50)
        assert [frame.index for frame in decoded(make_images.gif(90, 5, 5)).frames] == [0, 89]
        assert [frame.index for frame in decoded(make_images.gif(90, 50, 50)).frames] == [0]

    def test_a_cut_animation_is_not_half_judged(self) -> None:
        for name in ("animated.gif", "animated.png", "animated.webp", "animated.avif", "pages.tiff"):
            data = make_images.good()[name]
            assert refused(data[: len(data) * 6 // 10]).kind in ("truncated", "corrupt")


def _colors(frame: module.Frame) -> list[tuple[int, ...]]:
    rgb = frame.picture.rgb
    return [tuple(rgb[at : at + 3]) for at in range(0, len(rgb), 3)]


def _dot(at: int) -> Image.Image:
    """Three pixels, the first, second or third red, the others see-through in a GIF."""
    image = Image.new("P", (3, 1), 0)
    image.putpalette([*GREEN, *RED])
    image.putpixel((at, 0), 1)
    return image


def _red(image: Image.Image) -> Image.Image:
    return image.getchannel("R").point(lambda value: 255 if value else 0, "1")


def _dots(frame: module.Frame) -> list[int]:
    """Where a frame is red; it must be white elsewhere."""
    colors = _colors(frame)
    assert set(colors) <= {RED, WHITE}
    return [at for at, color in enumerate(colors) if color == RED]


class TestLimits:
    def test_pixels(self) -> None:
        for name, data in make_images.good().items():
            area = 256 if name == "image.ico" else WIDTH * HEIGHT
            assert decoded(data, Limits(pixels=area))
            assert refused(data, Limits(pixels=area - 1)).kind == "too-many-pixels"
            assert refused(data, Limits(pixels=1)).kind == "too-many-pixels"

    def test_more_than_pillow_allows_by_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert decoded(make_images.good()["image.png"])
        assert not caught
        assert Image.MAX_IMAGE_PIXELS == 10

    @pytest.mark.parametrize("name", ["image.webp", "image.gif", "image.bmp", "image.ppm"])
    def test_a_small_file_that_says_it_is_huge(self, name: str) -> None:
        data = make_images.good()[name]
        width, height = struct.pack("<H", WIDTH), struct.pack("<H", HEIGHT)
        huge = {
            "image.webp": make_images.webp_canvas(16_000, 16_000),
            "image.gif": data.replace(width + height, b"\xff\xff\xff\xff", 1),
            "image.bmp": data.replace(width + b"\0\0" + height + b"\0\0", b"\xff\xff\0\0\xff\xff\0\0", 1),
            "image.ppm": data.replace(b"12 8", b"65535 65535", 1),
        }[name]
        assert refused(huge).kind == "too-many-pixels"

    @pytest.mark.parametrize("progressive", [True, False])
    def test_a_jpeg_that_goes_over_its_picture_without_end(self, progressive: bool) -> None:
        data = encode(quarters(), "JPEG", progressive=True) if progressive else make_images.jpeg_in_scans()
        scan = data[data.rindex(b"\xff\xda") : -2]
        assert decoded(data[:-2] + scan * 50 + data[-2:])
        assert refused(data[:-2] + scan * 1000 + data[-2:]).kind == "corrupt"
        assert decoded(data + scan * 1000)  # as a animation behind the picture may look

    def test_scans_of_a_jpeg_behind_a_marker_that_has_no_length(self) -> None:
        """libjpeg steps over it alone where it looks for a restart, here that of a scan without pixels."""
        data = encode(quarters(), "JPEG", progressive=True, restart_marker_blocks=1)
        scan = data[data.rindex(b"\xff\xda") : -2]
        for marker in range(0x01, 0xC0):
            hidden = data[:-2] + scan[:10] + bytes((0xFF, marker, 0xFF, 0xFF))
            assert decoded(hidden + scan * 50 + data[-2:] + bytes(65_536))
            assert refused(hidden + scan * 1000 + data[-2:] + bytes(65_536)).kind == "corrupt", marker

    def test_a_tiff_in_more_pieces_than_any(self) -> None:
        grey = make_images.tiff(bytes(96), (12, 8), bits=8)
        for tag in (273, 279, 324, 325):
            for count in (200_000, 2**32 - 1):
                pieces = make_images.tiff_with(grey, (tag, 4, count, bytes(4 * 200_000)))
                assert refused(pieces).kind == "unsupported"
        rows = b"".join(struct.pack("<I", 8 + 12 * row) for row in range(8))
        data = make_images.tiff_with(grey, (273, 4, 8, rows), (278, 4, 1, b"\1\0\0\0"), (279, 4, 8, bytes(32)))
        assert greys(data) == [0] * 96

    def test_pages_that_grow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_KEPT_PIXELS", 1000)
        data = encode(quarters(2, 2), "TIFF", save_all=True, append_images=[quarters(30, 30)] * 3)
        assert refused(data, Limits(pixels=900)).kind == "too-many-pixels"
        assert decoded(data, Limits(pixels=900, frames=2))

    def test_pages_are_counted_up_to_a_thousand(self) -> None:
        page = make_images.tiff(b"\x40", (1, 1), bits=8)[9:-4]
        ends = [9 + at * (len(page) + 4) for at in range(1, 1200)]
        data = b"II*\0\x09\0\0\0\x40" + b"".join(page + struct.pack("<I", end) for end in [*ends, 0])
        assert decoded(data).facts.frames == 1000
        assert [frame.index for frame in decoded(data).frames] == [0, 333, 666, 999]

    def test_settings_are_put_back_after_threads(self) -> None:
        before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
        barrier = threading.Barrier(8)

        def work(index: int) -> None:
            barrier.wait()
            for name in list(make_images.good()) * 3:
                decode_image(source(make_images.good()[name]), Limits(pixels=10_000 + index))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert before == Image.MAX_IMAGE_PIXELS
        assert list(warnings.filters) == filters


class TestHostile:
    @settings(deadline=20_000, max_examples=600, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data(), name=st.sampled_from(sorted(make_images.good())))
    def test_no_bytes_escape(self, data: st.DataObject, name: str) -> None:
        damaged = bytearray(make_images.good()[name])
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, max(0, len(damaged) - 1)))
            new = data.draw(st.sampled_from([b"", b"\0", b"\xff", b"\xff\xff\xff\x7f"]) | st.binary(max_size=8))
            match data.draw(st.sampled_from(["replace", "insert", "delete", "cut"])):
                case "replace":
                    damaged[at : at + len(new)] = new
                case "insert":
                    damaged[at:at] = new
                case "delete":
                    del damaged[at : at + 4]
                case "cut":
                    del damaged[at:]
        result = decode_image(source(bytes(damaged)), Limits(pixels=1_000_000))
        if isinstance(result, Unreadable):
            assert result.kind in {"not-an-image", "truncated", "corrupt", "too-many-pixels", "unsupported"}
            assert result.message.isprintable()
            assert len(result.message) < 300
        else:
            for frame in result.frames:
                assert len(frame.picture.rgb) == frame.picture.width * frame.picture.height * 3 <= 3_000_000

    @pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
    def test_exif_of_any_length_costs_nothing(self, format_: str) -> None:
        data = _noted(format_, make_images.exif(5, *THIRDS))
        started = time.process_time()
        assert close(decoded(data).frames[0].picture, quarters(), 8)
        assert time.process_time() - started < SECONDS

    @pytest.mark.parametrize("tag", [273, 274, 282, 320, 34665, 65000])
    def test_tags_of_any_length_cost_nothing(self, tag: int) -> None:
        data = make_images.tiff(bytes(96), (12, 8), bits=8)
        if tag == 34665:  # a directory of its own, which no pixel needs
            below = make_images.exif(5, *THIRDS)
            content = struct.pack("<I", len(data) + len(below) - 8 - 18)
            data = make_images.tiff_with(data + below[8:], (tag, 4, 1, content))
        else:
            data = make_images.tiff_with(data, (tag, 5, *THIRDS))
        started = time.process_time()
        decode_image(source(data), LIMITS)
        assert time.process_time() - started < SECONDS

    def test_a_thousand_pages_in_pieces_cost_no_more_than_those_looked_at(self) -> None:
        rows = struct.pack("<8000I", *range(8, 8008)), b"\1\0\0\0"
        whole = make_images.tiff(bytes(8000), (1, 8000), bits=8)
        data = make_images.tiff_with(whole, (273, 4, 8000, rows[0]), (278, 4, 1, rows[1]))
        (at,) = struct.unpack_from("<I", data, 4)
        page = data[at:-4]
        pages = b"".join(page + struct.pack("<I", at + number * (len(page) + 4)) for number in range(1, 999))
        data = data[:at] + pages + data[at:] + bytes(32_000_000)  # all pages' pieces could stand in so long a file
        started = time.process_time()
        assert decoded(data, Limits(frames=2)).facts.frames == 999
        assert time.process_time() - started < SECONDS

    def test_nothing_is_printed(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Neither by Pillow nor by the libraries below it."""
        for name in ("image.tiff", "image.jpg", "image.png", "pages.tiff", "image.webp", "image.heic"):
            data = make_images.good()[name]
            for at in range(0, len(data), 3):
                decode_image(source(data[:at] + b"\xff\xff" + data[at + 2 :]), Limits(pixels=10_000))
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        "error", [MemoryError(), RecursionError("deep"), KeyError("x"), AssertionError(), EOFError()]
    )
    def test_whatever_pillow_raises(self, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise error

        data = make_images.good()["image.png"]
        decoded(data)
        monkeypatch.setattr(Image.Image, "tobytes", fail)
        assert refused(data).kind in {"too-many-pixels", "corrupt", "truncated"}

    def test_our_own_mistakes_are_not_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(module, "_sample", fail)
        with pytest.raises(ZeroDivisionError):
            decode_image(source(make_images.good()["image.png"]), LIMITS)

    def test_messages_are_the_same_in_every_run(self) -> None:
        for _, data in make_images.bad().values():
            assert " object at 0x" not in (refused(data).message if data else "")
