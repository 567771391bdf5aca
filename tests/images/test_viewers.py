"""What viewers show is judged: files that are odd where no pixel depends on it, animations as browsers play them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import make_images
import numpy as np
import pytest
from decoding import close, decoded, greys, pixels, refused
from make_images import BLACK, BLUE, GREEN, RED, WHITE, encode, quarters
from PIL import Image

from imagejudge.images.read import Limits
from imagejudge.verdict import Ground

Rgba: TypeAlias = "np.ndarray[Any, Any]"
GREY = (128, 128, 128)


def is_quarters(data: bytes, most: int = 0) -> bool:
    return close(decoded(data).frames[0].picture, quarters(), most)


PNG = make_images.good()["image.png"]
NOTES = {
    b"tEXt": b"Comment\0a note",
    b"zTXt": b"Comment\0\0" + zlib.compress(b"a note"),
    b"iTXt": b"Comment\0\0\0\0\0a note",
    b"iCCP": b"profile\0\0" + zlib.compress(bytes(200)),
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": bytes(32),
    b"sRGB": b"\0",
    b"sBIT": b"\x08\x08\x08",
    b"pHYs": struct.pack(">IIB", 3000, 3000, 1),
    b"bKGD": bytes(6),
    b"hIST": bytes(2),
    b"tIME": b"\x07\xe8\1\1\1\1\1",
    b"eXIf": b"II*\0\x08\0\0\0\0\0",
    b"sPLT": b"name\0\x08" + bytes(6),
    b"cICP": b"\1\1\0\1",
    b"prVt": b"anything",
}


class TestPng:
    @pytest.mark.parametrize("kind", NOTES)
    @pytest.mark.parametrize("fault", ["checksum", "short", "empty", "long", "noise"])
    def test_a_damaged_note_changes_nothing(self, kind: bytes, fault: str) -> None:
        content = NOTES[kind]
        content = {
            "short": content[: len(content) // 2],
            "empty": b"",
            "long": content + bytes(70_000),
            "noise": bytes(range(256)),
        }.get(fault, content)
        wrong = [kind] if fault == "checksum" else []
        assert is_quarters(make_images.png_with(PNG, kind, content, *wrong))

    @pytest.mark.parametrize(
        ("kind", "content"),
        [
            (b"iCCP", b"profile\0\x07" + zlib.compress(bytes(200))),
            (b"iCCP", b"profile\0\0not compressed"),
            (b"zTXt", b"Comment\0\x09" + zlib.compress(b"x")),
            (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000))),
            (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
            (b"tEXt", b"workflow\0" + b"x" * 2_000_000),
            (b"tEXt", b"k" * 200),
        ],
    )
    def test_notes_that_readers_refuse(self, kind: bytes, content: bytes) -> None:
        assert is_quarters(make_images.png_with(PNG, kind, content))

    def test_notes_that_unpack_to_a_hundred_megabytes(self) -> None:
        assert greys(make_images.text_bomb(100_000_000)) == [0]

    def test_notes_behind_the_pixels(self) -> None:
        parts = make_images.png_parts(PNG)
        for kind, content in NOTES.items():
            assert is_quarters(make_images.png_of([*parts[:-1], (kind, content), parts[-1]], kind))

    def test_transparency_that_is_damaged_is_passed_over(self) -> None:
        """As browsers do: what the chunk would make transparent is shown."""
        clear = struct.pack(">3H", *BLUE)
        assert decoded(make_images.png_with(PNG, b"tRNS", clear)).facts.ground == "white"
        for data in (
            make_images.png_with(PNG, b"tRNS", clear, b"tRNS"),
            make_images.png_with(PNG, b"tRNS", clear[:4]),
            make_images.png_with(PNG, b"tRNS", b""),
            make_images.png_of([*make_images.png_parts(PNG)[:-1], (b"tRNS", clear), (b"IEND", b"")]),
        ):
            assert decoded(data).facts.ground is None
            assert is_quarters(data)

    def test_orientation_that_is_damaged_is_passed_over(self) -> None:
        turned = make_images.turned(6)
        assert is_quarters(turned)
        parts = make_images.png_parts(turned)
        assert decoded(make_images.png_of(parts, b"eXIf")).facts.width == 8

    def test_the_end_may_be_missing_or_too_much(self) -> None:
        assert is_quarters(PNG[:-12])
        assert is_quarters(PNG[:-5])
        assert is_quarters(PNG[:-16])  # and the checksum of the pixels
        assert is_quarters(PNG + bytes(1000))
        assert is_quarters(PNG + PNG)

    def test_a_palette_that_is_only_a_suggestion(self) -> None:
        assert is_quarters(make_images.png_with(PNG, b"PLTE", bytes(7), b"PLTE"))

    def test_pixels_in_many_chunks_with_notes_between(self) -> None:
        (packed,) = (content for kind, content in make_images.png_parts(PNG) if kind == b"IDAT")
        pieces = [(b"IDAT", packed[at : at + 7]) for at in range(0, len(packed), 7)]
        parts = make_images.png_parts(PNG)
        assert is_quarters(make_images.png_of([parts[0], *pieces, parts[-1]]))
        noted = [piece for one in pieces for piece in (one, (b"tEXt", b"a\0b"))]
        assert is_quarters(make_images.png_of([parts[0], *noted, parts[-1]], b"tEXt"))

    def test_one_checksum_of_the_pixels_suffices(self) -> None:
        """The chunk has one and the compressed data another; where both are wrong, the pixels are."""
        assert is_quarters(make_images.png_of(make_images.png_parts(PNG), b"IDAT"))
        parts = dict(make_images.png_parts(PNG))
        parts[b"IDAT"] = parts[b"IDAT"][:-4] + b"\0\0\0\0"
        assert is_quarters(make_images.png_of(list(parts.items())))
        assert refused(make_images.png_of(list(parts.items()), b"IDAT")).kind == "corrupt"

    @pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
    def test_what_pixels_depend_on_must_be_whole(self, kind: bytes) -> None:
        image = quarters().quantize(4)
        data = encode(image, "PNG")
        assert is_quarters(data)
        assert refused(make_images.png_of(make_images.png_parts(data), kind)).kind == "corrupt"
        rest = [part for part in make_images.png_parts(data) if part[0] != kind]
        assert refused(make_images.png_of(rest)).kind == "corrupt"

    def test_pixels_that_are_missing(self) -> None:
        parts = make_images.png_parts(PNG)
        assert refused(make_images.png_of([parts[0], parts[-1]])).kind == "truncated"
        (packed,) = (content for kind, content in parts if kind == b"IDAT")
        assert refused(make_images.png_of([parts[0], (b"IDAT", packed[:-12]), parts[-1]])).kind == "truncated"
        assert refused(PNG[: -(12 + 4 + 12)]).kind == "truncated"

    def test_an_animation_whose_announcement_is_damaged_is_its_still_picture(self) -> None:
        data = make_images.animation("PNG", [RED, GREEN])
        assert decoded(data).facts.frames == 2
        still = decoded(make_images.png_of(make_images.png_parts(data), b"acTL"))
        assert (still.facts.frames, still.frames[0].picture.rgb[:3]) == (1, bytes(RED))


class TestOtherFiles:
    JPEG = make_images.good()["image.jpg"]

    def test_jpeg_without_its_end(self) -> None:
        for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
            for image in (quarters(), quarters(100, 75), quarters().convert("L"), quarters().convert("CMYK")):
                data = encode(image, "JPEG", quality=95, **options)
                whole = decoded(data)
                for cut in (data[:-2], data[:-1], data[:-2] + b"\xff\xff"):
                    assert decoded(cut) == whole

    def test_jpeg_with_pixels_missing(self) -> None:
        noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
        for options in ({}, {"progressive": True}):
            data = encode(noise, "JPEG", quality=80, **options)
            for cut in (*range(6, 60, 3), 200, 1000, 3000):
                assert refused(data[:-cut]).kind == "truncated"

    def test_jpeg_with_rubbish_where_none_matters(self) -> None:
        data = self.JPEG
        assert is_quarters(data[:-2] + bytes(50) + data[-2:], 12)
        assert is_quarters(data + b"\xff\xd9" + bytes(300), 12)
        assert is_quarters(data + data, 12)
        tables = data.index(b"\xff\xdb")
        assert is_quarters(data[:tables] + b"rubbish" + data[tables:], 12)
        for kind in range(0xE0, 0xFF):
            for note in (
                b"\0\0",
                b"\0\1",
                b"\0\2",
                b"\0\5abc",
                b"\0\x08Exif\0\0",
                b"\0\x20" + b"ICC_PROFILE\0\1\2".ljust(30),
            ):
                for at in (2, tables):
                    assert is_quarters(data[:at] + bytes([0xFF, kind]) + note + data[at:], 12), (kind, note)

    def test_jpeg_orientation_in_exif_but_not_in_xmp(self) -> None:
        xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation='6' tiff:Orientation=\"6\"/>"
        note = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
        assert is_quarters(self.JPEG[:2] + note + self.JPEG[2:], 12)
        turned = make_images.turned(6, "JPEG", quality=95, subsampling=0)
        assert is_quarters(turned[:2] + note + turned[2:], 12)

    @pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "AVIF"])
    def test_xmp_turns_nothing(self, format_: str) -> None:
        xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
        options: dict[str, Any] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 95, "subsampling": "4:4:4"}}.get(
            format_, {}
        )
        if format_ == "PNG":
            data = make_images.png_with(PNG, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        elif format_ == "TIFF":
            from PIL import TiffImagePlugin

            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[700] = xmp
            data = encode(quarters(), "TIFF", tiffinfo=tags)
        else:
            data = encode(quarters(), format_, xmp=xmp, **options)
        assert xmp in data
        assert is_quarters(data, 8 if format_ == "AVIF" else 0)

    @pytest.mark.parametrize("by", [-60, -20, -2, -1, 1, 2, 1000, 2**31])
    @pytest.mark.parametrize("alpha", [False, True])
    def test_webp_with_a_wrong_size(self, by: int, alpha: bool) -> None:
        for lossless in (True, False):
            image = quarters().convert("RGBA") if alpha else quarters()
            if alpha:
                image.putpixel((11, 7), (0, 0, 0, 0))
            data = encode(image, "WEBP", lossless=lossless)
            size = struct.unpack("<I", data[4:8])[0]
            assert decoded(data[:4] + struct.pack("<I", max(0, size + by)) + data[8:]) == decoded(data)

    def test_webp_with_pixels_missing(self) -> None:
        noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
        for lossless in (True, False):
            data = encode(noise, "WEBP", lossless=lossless)
            assert refused(data[: len(data) // 2]).kind == "truncated"
            short = data[: len(data) // 2]
            assert refused(short[:4] + struct.pack("<I", len(short) - 8) + short[8:]).kind in ("truncated", "corrupt")

    def test_bmp_with_a_wrong_size(self) -> None:
        data = make_images.good()["image.bmp"]
        for size in (0, 14, 2**31, len(data) - 1):
            assert is_quarters(data[:2] + struct.pack("<I", size) + data[6:])
        assert is_quarters(data + bytes(100))
        assert refused(data[:-40]).kind == "truncated"

    @pytest.mark.parametrize("format_", ["BMP", "ICO"])
    def test_a_fourth_byte_that_was_never_meant_as_alpha(self, format_: str) -> None:
        opaque = quarters(16, 16).convert("RGBA")
        opaque.putalpha(0)
        if format_ == "ICO":
            data = encode(opaque, "ICO", sizes=[(16, 16)], bitmap_format="bmp")
        else:
            head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, 14 + 108, 108, 16, -16, 1, 32, 3, 0, 0, 0, 0, 0)
            masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
            data = head + masks + bytes(108 - 56) + opaque.tobytes("raw", "BGRA")
        result = decoded(data)
        assert result.facts.ground is None
        assert close(result.frames[0].picture, quarters(16, 16), 0)

    def test_an_icon_with_a_damaged_note(self) -> None:
        inside = make_images.png_with(encode(quarters(32, 32), "PNG"), b"gAMA", b"\0", b"gAMA")
        small = encode(Image.new("RGB", (16, 16), RED), "PNG")
        head = struct.pack("<3H", 0, 1, 2)
        for size in (len(inside), 0, 2**31):
            entries = struct.pack("<4B2H2I", 16, 16, 0, 0, 1, 32, len(small), 38)
            entries += struct.pack("<4B2H2I", 32, 32, 0, 0, 1, 32, size, 38 + len(small))
            result = decoded(head + entries + small + inside)
            assert (result.facts.format, result.facts.width) == ("ICO", 32)
            assert close(result.frames[0].picture, quarters(32, 32), 0)

    def test_tiff_with_odd_tags(self) -> None:
        from PIL import TiffImagePlugin

        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = b"<not xml"
        tags[34675] = b"no profile"
        tags[65000] = "private"
        assert is_quarters(encode(quarters(), "TIFF", tiffinfo=tags))

    @pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}])
    def test_pages_of_a_tiff_that_are_turned_each_in_its_way(self, options: dict[str, Any]) -> None:
        ways = [Image.open(io.BytesIO(make_images.turned(way, "TIFF"))) for way in range(1, 9)]
        data = encode(ways[0], "TIFF", save_all=True, append_images=ways[1:], **options)
        frames = decoded(data, Limits(frames=8)).frames
        assert [frame.index for frame in frames] == list(range(8))
        assert all(close(frame.picture, quarters(), 0) for frame in frames)

    def test_a_tiff_that_ends_within_its_directory(self) -> None:
        data = make_images.tiff(bytes(96), (12, 8), bits=8)
        assert greys(data) == greys(data[:-4]) == greys(data[:-1]) == [0] * 96
        for cut in (5, 16, 100, 122, len(data) - 5, len(data) - 8):
            assert refused(data[:-cut]).kind == "truncated"
        assert refused(data[:-4] + struct.pack("<I", len(data))).kind == "truncated"  # of a next page, nothing is there

    @pytest.mark.parametrize("codec", [50001, 34712, 34887, 34661, 12345])
    def test_a_tiff_packed_as_something_that_is_not_read(self, codec: int) -> None:
        data = encode(quarters(), "TIFF", compression="tiff_lzw")
        packed = struct.pack("<HHIH", 259, 3, 1, 5)
        assert packed in data
        result = refused(data.replace(packed, struct.pack("<HHIH", 259, 3, 1, codec)))
        assert result.kind == "unsupported"
        assert result.message.endswith("convert it to PNG or JPEG")


PALETTE = [(10, 20, 30), RED, GREEN, BLUE, WHITE, BLACK, (200, 100, 0), (0, 100, 200)]


def full(index: int, width: int = 8, height: int = 6) -> np.ndarray[Any, Any]:
    return np.full((height, width), index)


class TestGif:
    def test_what_nobody_painted_is_not_a_color(self) -> None:
        data = make_images.gif_film((8, 6), [(full(1, 4, 3), (2, 1), 0, None)], PALETTE)
        shown = np.array(pixels(data)).reshape(6, 8, 3)
        assert (shown[1:4, 2:6] == RED).all()
        shown[1:4, 2:6] = WHITE
        assert (shown == WHITE).all()
        assert decoded(data).facts.ground == "white"

    def test_disposal_to_the_background_leaves_nothing(self) -> None:
        data = make_images.gif_film((8, 6), [(full(1), (0, 0), 2, None), (full(2, 4, 3), (0, 0), 0, None)], PALETTE)
        shown = np.array(pixels(data, 1)).reshape(6, 8, 3)
        assert (shown[:3, :4] == GREEN).all()
        assert (shown[3:] == WHITE).all()

    @pytest.mark.parametrize("empty", [(0, 0), (0, 5), (5, 0)])
    def test_an_empty_frame_changes_nothing(self, empty: tuple[int, int]) -> None:
        frames = [(full(1), (0, 0), 0, None), (full(0, *empty), (0, 0), 2, None), (full(3, 2, 2), (6, 4), 0, None)]
        result = decoded(make_images.gif_film((8, 6), frames, PALETTE))
        assert result.facts.frames == 3
        assert result.frames[0].picture == result.frames[1].picture
        last = np.frombuffer(result.frames[2].picture.rgb, np.uint8).reshape(6, 8, 3)
        assert (last[4:, 6:] == BLUE).all()
        assert (last[:4] == RED).all()

    def test_a_file_of_empty_frames_alone(self) -> None:
        data = make_images.gif_film((8, 6), [(full(0, 0, 0), (0, 0), 0, None)], PALETTE)
        assert refused(data).kind == "truncated"

    def test_a_frame_beyond_the_canvas_grows_nothing(self) -> None:
        frames = [(full(1), (0, 0), 0, None), (full(2, 20, 20), (4, 3), 0, None), (full(3), (100, 100), 0, None)]
        result = decoded(make_images.gif_film((8, 6), frames, PALETTE))
        assert (result.facts.width, result.facts.height) == (8, 6)
        assert {(frame.picture.width, frame.picture.height) for frame in result.frames} == {(8, 6)}
        last = np.frombuffer(result.frames[2].picture.rgb, np.uint8).reshape(6, 8, 3)
        assert (last[3:, 4:] == GREEN).all()
        assert (last[:3] == RED).all()

    def test_a_first_frame_that_is_larger_is_shown_whole(self) -> None:
        """Browsers widen the canvas for it, so that a picture cannot hide behind a canvas of one pixel."""
        result = decoded(make_images.gif_film((1, 1), [(full(1), (0, 0), 0, None)], PALETTE))
        assert (result.facts.width, result.facts.height) == (8, 6)

    def test_without_its_end(self) -> None:
        data = make_images.good()["animated.gif"]
        assert decoded(data[:-1]) == decoded(data)
        assert decoded(data[:-2] + b"\0") == decoded(data)
        assert decoded(data + b"rubbish, and more") == decoded(data)
        assert decoded(data[:-1] + bytes(40)) == decoded(data)

    def test_a_last_frame_that_is_not_whole(self) -> None:
        data = make_images.good()["animated.gif"]
        last = data.rindex(b"\x2c\0\0\0\0")
        for at in (last + 1, last + 5, last + 10, last + 12, len(data) - 5):
            assert refused(data[:at]).kind == "truncated", at


Painted: TypeAlias = tuple[Image.Image, tuple[int, int], int, int]


def painted(size: tuple[int, int], frames: Sequence[Painted], names: dict[int, str]) -> list[Rgba]:
    """Every frame, worked out pixel by pixel from the words of the specifications."""
    canvas = np.zeros((size[1], size[0], 4))
    shown = []
    for image, (left, top), dispose, over in frames:
        before = canvas.copy()
        for y in range(min(image.height, size[1] - top)):
            for x in range(min(image.width, size[0] - left)):
                new = np.array(image.getpixel((x, y)), float)
                old = canvas[top + y, left + x]
                alpha = new[3] / 255
                total = alpha + old[3] / 255 * (1 - alpha)
                if not over:
                    old[:] = new
                elif total:
                    old[:3] = (new[:3] * alpha + old[:3] * old[3] / 255 * (1 - alpha)) / total
                    old[3] = total * 255
        shown.append(canvas.copy())
        match names.get(dispose, "keep"):
            case "clear":
                canvas[top : top + image.height, left : left + image.width] = 0
            case "restore":
                canvas = before
    return shown


def over_ground(canvas: Rgba, ground: Ground | None) -> Rgba:
    alpha = canvas[:, :, 3:] / 255
    return canvas[:, :, :3] * alpha + (128 if ground == "grey" else 255) * (1 - alpha)


def random_frames(rng: np.random.Generator, size: tuple[int, int], kind: str) -> list[Painted]:
    frames: list[Painted] = []
    for at in range(int(rng.integers(2, 9))):
        width, height = (int(rng.integers(1, side + 1)) for side in size)
        left, top = (int(rng.integers(0, whole - side + 1)) for whole, side in zip(size, (width, height), strict=True))
        if at == 0 and kind == "PNG":
            (width, height), left, top = size, 0, 0
        if kind == "WEBP":
            left, top = left // 2 * 2, top // 2 * 2
        values = rng.integers(0, 256, (height, width, 4)).astype(np.uint8)
        values[:, :, 3] = rng.choice([0, 255] if kind == "GIF" else [0, 64, 200, 255], (height, width))
        dispose = int(rng.integers(0, {"PNG": 3, "WEBP": 2, "GIF": 5}[kind]))
        over = 1 if kind == "GIF" else int(rng.integers(0, 2))
        frames.append((Image.fromarray(values), (left, top), dispose, over))
    return frames


def gif_of(size: tuple[int, int], frames: list[Painted]) -> tuple[bytes, list[Painted]]:
    """Frames in the colours of the palette, of which the first is clear."""
    written, seen = [], []
    for image, place, dispose, over in frames:
        values = np.array(image)
        indexes = np.where(values[:, :, 3] > 0, 1 + values[:, :, 0] % 7, 0)
        colors = np.dstack([np.array(PALETTE, np.uint8)[indexes], values[:, :, 3]])
        written.append((indexes, place, dispose, 0))
        seen.append((Image.fromarray(colors), place, dispose, over))
    return make_images.gif_film(size, written, PALETTE), seen


NAMES = {
    "PNG": {0: "keep", 1: "clear", 2: "restore"},
    "WEBP": {0: "keep", 1: "clear"},
    "GIF": {2: "clear", 3: "restore", 4: "restore"},
}


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("seed", range(25))
def test_every_sampled_frame_is_that_of_playing_from_the_first(kind: str, seed: int) -> None:
    rng = np.random.default_rng([seed, len(kind), ord(kind[0])])
    size = int(rng.integers(2, 9)), int(rng.integers(2, 9))
    frames = random_frames(rng, size, kind)
    if kind == "GIF":
        data, frames = gif_of(size, frames)
    else:
        data = {"PNG": make_images.apng, "WEBP": make_images.webp_film}[kind](size, frames)
    expected = painted(size, frames, NAMES[kind])
    for wanted in range(1, 6):
        result = decoded(data, Limits(frames=wanted))
        assert (result.facts.width, result.facts.height, result.facts.frames) == (*size, len(frames))
        for frame in result.frames:
            shown = np.frombuffer(frame.picture.rgb, np.uint8).reshape(size[1], size[0], 3)
            # Blending on blending rounds each time.
            off = abs(over_ground(expected[frame.index], frame.ground) - shown).max()
            assert off <= (0 if kind == "GIF" else 3), (frame.index, wanted)


class TestApng:
    def test_a_still_picture_that_is_no_part_of_the_animation_is_judged_too(self) -> None:
        """Viewers that know no animation show it alone."""
        frames = [Image.new("RGB", (4, 4), color) for color in (RED, GREEN, BLUE)]
        data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
        result = decoded(data)
        assert result.facts.frames == 3
        assert [tuple(frame.picture.rgb[:3]) for frame in result.frames] == [RED, GREEN, BLUE]

    @pytest.mark.parametrize(
        ("field", "value"), [(4, 0), (4, 100), (12, 100), (24, 3), (25, 2)], ids=["flat", "wide", "away", "op", "blend"]
    )
    def test_frames_that_make_no_sense(self, field: int, value: int) -> None:
        parts = make_images.png_parts(make_images.animation("PNG", [RED, GREEN]))
        last = max(at for at, part in enumerate(parts) if part[0] == b"fcTL")
        control = bytearray(parts[last][1])
        control[field : field + 4] = bytes([value]) if field >= 24 else struct.pack(">I", value)
        parts[last] = (b"fcTL", bytes(control[:25] if field == 24 else control[:26]).ljust(26, b"\0"))
        assert refused(make_images.png_of(parts)).kind == "corrupt"

    def test_a_frame_whose_pixels_are_damaged(self) -> None:
        parts = make_images.png_parts(make_images.animation("PNG", [RED, GREEN]))
        last = max(at for at, part in enumerate(parts) if part[0] == b"fdAT")
        parts[last] = (b"fdAT", parts[last][1][:10])
        assert refused(make_images.png_of(parts)).kind == "truncated"


def drawing(color: tuple[int, ...], share: float = 0.3, alpha: int = 255) -> Image.Image:
    """A square of a colour on a transparent picture."""
    image = Image.new("RGBA", (40, 40))
    side = int(40 * share**0.5)
    image.paste((*color, alpha), (5, 5, 5 + side, 5 + side))
    return image


class TestGround:
    @pytest.mark.parametrize(
        ("color", "alpha", "ground"),
        [
            (WHITE, 255, "grey"),
            (WHITE, 100, "grey"),
            ((250, 245, 235), 255, "grey"),
            ((255, 255, 230), 255, "grey"),
            (BLACK, 255, "white"),
            (BLACK, 20, "white"),
            ((128, 128, 128), 255, "white"),
            ((255, 255, 0), 255, "white"),
            ((255, 204, 51), 255, "white"),
            (RED, 255, "white"),
        ],
    )
    @pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
    def test_is_what_the_drawing_can_be_seen_in(
        self, format_: str, color: tuple[int, ...], alpha: int, ground: str
    ) -> None:
        options = {"lossless": True, "exact": True} if format_ == "WEBP" else {}
        result = decoded(encode(drawing(color, alpha=alpha), format_, **options))
        assert result.facts.ground == result.frames[0].ground == ground
        corner, middle = (pixels(encode(drawing(color, alpha=alpha), format_, **options))[at] for at in (0, 410))
        assert corner == (GREY if ground == "grey" else WHITE)
        assert max(abs(one - other) for one, other in zip(corner, middle, strict=True)) >= 20

    def test_by_palette_and_by_transparent_color(self) -> None:
        image = Image.new("P", (8, 8), 0)
        image.putpalette([*RED, *WHITE])
        image.paste(1, (2, 2, 6, 6))
        for format_ in ("PNG", "GIF"):
            assert decoded(encode(image, format_, transparency=0)).facts.ground == "grey"
        assert decoded(encode(image.convert("RGB"), "PNG", transparency=RED)).facts.ground == "grey"
        deep = np.full((4, 4), 65535)
        deep[0] = 7
        assert decoded(make_images.png_16(deep, 0, (b"tRNS", struct.pack(">H", 7)))).facts.ground == "grey"

    def test_white_letters_on_a_dark_shape(self) -> None:
        image = drawing(BLACK, 0.5)
        image.paste((*WHITE, 255), (10, 10, 25, 25))
        assert decoded(encode(image, "PNG")).facts.ground == "white"

    def test_a_white_drawing_with_a_faint_shadow(self) -> None:
        image = Image.new("RGBA", (40, 40), (0, 0, 0, 12))
        image.alpha_composite(drawing(WHITE))
        assert decoded(encode(image, "PNG")).facts.ground == "grey"

    def test_none_where_nothing_is_transparent(self) -> None:
        for image in (quarters(), quarters().convert("RGBA"), Image.new("L", (3, 3), 255)):
            assert decoded(encode(image, "PNG")).facts.ground is None
        assert decoded(encode(Image.new("RGBA", (4, 4)), "PNG")).facts.ground == "white"  # and nothing to see

    def test_each_frame_has_its_own(self) -> None:
        frames = [(drawing(color), (0, 0), 1, 0) for color in (BLACK, WHITE, RED, WHITE)]
        result = decoded(make_images.apng((40, 40), frames))
        assert [frame.ground for frame in result.frames] == ["white", "grey", "white", "grey"]
        assert decoded(make_images.apng((40, 40), frames), Limits(frames=2)).frames[1] == result.frames[3]

    def test_is_the_same_for_pictures_worked_on_in_strips(self) -> None:
        large = drawing(WHITE).resize((1600, 1600))
        result = decoded(encode(large, "PNG", compress_level=1))
        assert result.facts.ground == "grey"
        assert result.frames[0].picture.rgb[:3] == bytes(GREY)
        assert io.BytesIO(result.frames[0].picture.rgb).getbuffer().nbytes == 1600 * 1600 * 3
