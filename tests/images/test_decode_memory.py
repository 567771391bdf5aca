"""How much memory a file at the default limits takes to decode, each in a process of its own."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import make_images
import numpy as np
import pytest
from PIL import Image

from imagejudge.images import decode as module
from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.planes import bytes_per_pixel
from imagejudge.images.read import Limits, Source, Unreadable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no resource usage of processes here")
SIDE = 10_000
GIGABYTES = 1.2
TESTS = Path(__file__).parent.parent
MEASURE = """
import json, sys
sys.path.insert(0, sys.argv[2])
from imagejudge.images.decode import Decoded, decode_image
from imagejudge.images.read import Limits, read_image
from peak_memory import peak_memory
result = decode_image(read_image(sys.argv[1], Limits()), Limits())
facts = result.facts.model_dump() if isinstance(result, Decoded) else result.kind
print(json.dumps([peak_memory() / 1e9, facts]))
"""


UNPACK = """
import re, sys
from imagejudge.images.pillow_reader import available, unpacked
def peak():  # not that of the process which started this one, as getrusage would give
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]) * 1024
assert available("HEIF")
with open(sys.argv[1], "rb") as file:
    data = file.read()
before = peak()
unpacked(data, "HEIF")
print(peak() - before)
"""


def measured(data: bytes, folder: Path) -> tuple[float, dict[str, object]]:
    (path := folder / "picture").write_bytes(data)
    reply = subprocess.run([sys.executable, "-c", MEASURE, path, TESTS], capture_output=True, check=True, text=True)
    peak, facts = json.loads(reply.stdout)
    return peak, facts


def plane(side: int = SIDE) -> Image.Image:
    line = np.arange(side)
    return Image.fromarray((line[:, None] // 40 + line // 50).astype(np.uint8))


def rgba() -> Image.Image:
    image = Image.merge("RGB", [plane()] * 3)
    image.putalpha(plane())
    return image


def deflated(depth: int, color: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG at the limit that is nearly empty."""
    row = SIDE * depth * {0: 1, 2: 3, 6: 4}[color] // 8 + 1
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(row)) for _ in range(SIDE)) + packer.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, depth, color, 0, 0, 0)
    return make_images.png_of([(b"IHDR", head), *chunks, (b"IDAT", pixels), (b"IEND", b"")])


def float_tiff() -> bytes:
    return make_images.encode(Image.new("F", (SIDE, SIDE), 0.5), "TIFF", compression="tiff_adobe_deflate")


def gif() -> bytes:
    frames = [Image.new("P", (SIDE, SIDE), index) for index in range(6)]
    return make_images.encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def webp(frames: int) -> bytes:
    colors = [(255, 0, 0, 255), (0, 255, 0, 200), (0, 0, 255, 255)][:frames]
    return make_images.webp_film(
        (SIDE, SIDE), [(Image.new("RGBA", (SIDE, SIDE), color), (0, 0), 0, 1) for color in colors]
    )


def heic(mode: str, area: int, **how: str) -> bytes:
    """A HEIC of 3 to 2; one of 16 bits a channel is kept in 10."""
    import pillow_heif

    width, height = int((area * 1.5) ** 0.5), int((area / 1.5) ** 0.5)
    line = np.arange(width * height).reshape(height, width) // 40 % 256
    pixels = np.dstack([line] * len(mode.partition(";")[0])).astype(np.uint16 if "16" in mode else np.uint8)
    file = pillow_heif.from_bytes(mode, (width, height), (pixels * (257 if "16" in mode else 1)).tobytes())
    file.save(into := io.BytesIO(), quality=50, **how)
    return into.getvalue()


QUICK = {"deep.png": lambda: deflated(16, 2)}
SLOW = {
    "float.tiff": float_tiff,
    "flat.webp": lambda: webp(1),
    "clear.png": lambda: deflated(8, 6),
    "grey.png": lambda: deflated(16, 0, (b"tRNS", b"\0\7")),
    "animation.gif": gif,
    "animation.webp": lambda: webp(3),
    "clear.webp": lambda: make_images.encode(rgba(), "WEBP", lossless=True, quality=0, method=0),
    "lossy.webp": lambda: make_images.encode(rgba(), "WEBP", quality=50, method=0),
    "progressive.jpg": lambda: make_images.encode(
        Image.merge("CMYK", [plane()] * 4), "JPEG", quality=70, progressive=True, subsampling=0
    ),
    "clear.tiff": lambda: make_images.encode(rgba(), "TIFF", compression="tiff_adobe_deflate"),
    "image.avif": lambda: make_images.encode(plane().convert("RGB"), "AVIF", speed=10, quality=40),
}


def check(data: bytes, folder: Path) -> None:
    peak, facts = measured(data, folder)
    assert isinstance(facts, dict), facts
    assert (facts["width"], facts["height"]) == (SIDE, SIDE)
    assert peak < GIGABYTES


@pytest.mark.parametrize("name", QUICK)
def test_a_file_at_the_limit_of_pixels(name: str, tmp_path: Path) -> None:
    check(QUICK[name](), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SLOW)
def test_more_files_at_the_limit_of_pixels(name: str, tmp_path: Path) -> None:
    check(SLOW[name](), tmp_path)


@pytest.mark.parametrize("name", ["wide.tiff", "sharp.avif", "clear.avif", "deep.heic", "clear.heic"])
def test_what_would_take_too_much_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit, by what the file says of its depth and its blocks; well below it, the same file is read."""
    monkeypatch.setattr(module, "_ALWAYS_ALLOWED", 0)
    monkeypatch.setattr(module, "_MOST_PER_PIXEL", 7.5 if name == "wide.tiff" else module._MOST_PER_PIXEL)
    clear = make_images.quarters()
    clear.putalpha(100)
    data = {
        "wide.tiff": make_images.tiff(struct.pack("<96f", *[0.5] * 96), (12, 8), bits=32, format=3),
        "sharp.avif": make_images.encode(make_images.quarters(), "AVIF", subsampling="4:4:4"),
        "clear.avif": make_images.encode(clear, "AVIF"),
        "deep.heic": heic("RGB;16", 96, chroma="444"),
        "clear.heic": heic("RGBA", 96, chroma="444"),
    }[name]
    at_limit, below = (decode_image(Source("x", data, ""), Limits(pixels=96 * times)) for times in (1, 2))
    assert isinstance(at_limit, Unreadable)
    assert at_limit.kind == "too-many-pixels"
    assert isinstance(below, Decoded)


@pytest.mark.skipif(sys.platform != "linux", reason="no such file of the kernel")
@pytest.mark.exhaustive
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("mode", ["RGB", "RGB;16", "RGBA", "RGBA;16"])
def test_what_a_heic_takes_is_estimated_from_its_head(mode: str, chroma: str, tmp_path: Path) -> None:
    data = heic(mode, 9_000_000, chroma=chroma)
    (tmp_path / "picture").write_bytes(data)
    reply = subprocess.run([sys.executable, "-c", UNPACK, tmp_path / "picture"], capture_output=True, check=True)
    expected = bytes_per_pixel("HEIF", data, len(mode.partition(";")[0]))
    assert abs(expected - float(reply.stdout) / 9e6) < 1
