"""Makes the JPEGs of tests/fixtures/jpeg, and libjpeg-turbo's decoded pixels as PNGs.

    apt-get install libjpeg-turbo-progs
    pip install pillow numpy
    python tools/make_jpeg_fixtures.py

The committed files were made with libjpeg-turbo 2.1.5 (cjpeg, and Pillow 9.4 for the pixels) with default settings: the
slow integer transform and interpolated chroma. Later versions give identical pixels. Every file is a valid JPEG.
"""

import io
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, features

SEPARATE = "0;\n1;\n2;\n"
BANDS = """0: 0-0, 0, 0;
1: 0-0, 0, 1;
2: 0-0, 0, 0;
1: 0-0, 1, 0;
0: 1-5, 0, 2;
0: 6-63, 0, 2;
0: 1-63, 2, 1;
0: 1-63, 1, 0;
1: 1-63, 0, 0;
2: 1-63, 0, 1;
2: 1-63, 1, 0;
"""


def picture(width: int, height: int) -> Image.Image:
    """A colour in each corner, and a disc: nothing symmetric."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.dstack([x * 255 / width, y * 255 / height, 255 - (x + y) * 255 / (width + height)])
    rgb[(x - width * 0.3) ** 2 + (y - height * 0.4) ** 2 < (height * 0.2) ** 2] = (240, 30, 20)
    return Image.fromarray(rgb.astype("u1"))


def cjpeg(*options: str, size=(37, 27), scans="") -> bytes:
    ppm = io.BytesIO()
    picture(*size).save(ppm, "PPM")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(scans)
        script.flush()
        options = ["-quality", "85", *options, *(["-scans", script.name] if scans else [])]
        return subprocess.run(["cjpeg", *options], input=ppm.getvalue(), stdout=subprocess.PIPE, check=True).stdout


def segments(jpeg: bytes):
    """Marker, begin and end of each segment up to the first scan's header."""
    at = 2
    while True:
        kind, length = jpeg[at + 1], struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        yield kind, at, at + 2 + length
        if kind == 0xDA:
            return
        at += 2 + length


def without(jpeg: bytes, *kinds: int) -> bytes:
    for kind, begin, end in reversed(list(segments(jpeg))):
        if kind in kinds:
            jpeg = jpeg[:begin] + jpeg[end:]
    return jpeg


def named(jpeg: bytes, names: bytes) -> bytes:
    """The file with other component numbers."""
    data = bytearray(jpeg)
    for kind, begin, _ in segments(jpeg):
        for i, name in enumerate(names):
            if kind in (0xC0, 0xC1, 0xC2):
                data[begin + 10 + 3 * i] = name
            if kind == 0xDA:
                data[begin + 5 + 2 * i] = name
    return bytes(data)


def adobe(jpeg: bytes, transform: int) -> bytes:
    """The file with an Adobe segment before the first table."""
    at = next(begin for kind, begin, _ in segments(jpeg) if kind == 0xDB)
    segment = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)
    return jpeg[:at] + segment + jpeg[at:]


def cmyk(transform: int) -> bytes:
    planes = [picture(24, 17).getchannel(i) for i in (0, 1, 2, 1)]
    file = io.BytesIO()
    Image.merge("CMYK", planes).save(file, "JPEG", quality=85)
    return adobe(without(file.getvalue(), 0xEE), transform)


def files():
    for sampling in ("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "3x1", "3x2", "4x2"):
        yield f"sampled-{sampling}", cjpeg("-sample", sampling)
    for name, sampling in (
        ("dense-chroma-both", "1x1,2x2,2x2"),
        ("dense-chroma-across", "1x1,2x1,2x1"),
        ("dense-chroma-down", "1x1,1x2,1x2"),
        ("each-its-own", "2x2,2x1,1x2"),
        ("dense-last", "1x1,1x1,2x2"),
        ("twos-for-all", "2x1,2x1,2x1"),
    ):
        yield name, cjpeg("-sample", sampling)
    for sampling in ("1x1", "2x1", "1x2", "2x2"):
        yield f"separate-{sampling}", cjpeg("-sample", sampling, scans=SEPARATE)
    yield "separate-dense-chroma", cjpeg("-sample", "1x1,2x2,2x2", scans=SEPARATE)
    yield "separate-restarts", cjpeg("-sample", "2x2", "-restart", "3B", scans=SEPARATE)
    yield "two-scans", cjpeg(scans="0 1;\n2;\n")
    yield "last-scan-first", cjpeg(scans="2;\n0;\n1;\n")
    yield "progressive", cjpeg("-progressive")
    yield "progressive-bands", cjpeg(scans=BANDS)
    yield "progressive-restarts", cjpeg("-progressive", "-restart", "1")
    yield "progressive-dense-chroma", cjpeg("-progressive", "-sample", "1x1,2x2,2x2")
    yield "restarts", cjpeg("-restart", "2B", "-optimize")
    yield "grey", cjpeg("-grayscale")
    yield "grey-progressive", cjpeg("-grayscale", "-progressive")
    yield "coarse", cjpeg("-quality", "3")
    for size in ((1, 1), (2, 3), (5, 4), (16, 16), (17, 9)):
        yield f"size-{size[0]}x{size[1]}", cjpeg(size=size)
    plain = cjpeg("-sample", "1x1")
    yield "jfif-and-adobe-0", adobe(plain, 0)
    yield "jfif-and-adobe-1", adobe(plain, 1)
    yield "jfif-names-rgb", named(plain, b"RGB")
    bare = without(plain, 0xE0)
    yield "bare", bare
    yield "bare-names-rgb", named(bare, b"RGB")
    yield "bare-names-other", named(bare, b"\x00\x01\x02")
    yield "adobe-0", adobe(bare, 0)
    yield "adobe-1-names-rgb", adobe(named(bare, b"RGB"), 1)
    yield "cmyk-0", cmyk(0)
    yield "cmyk-2", cmyk(2)
    # a frame of a motion JPEG: the standard's tables are understood
    yield "no-huffman-tables", without(cjpeg(), 0xC4)
    yield "filled", plain.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1)
    yield "garbage-behind", plain + bytes(range(256)) * 2


def main() -> None:
    print("libjpeg-turbo", features.version_feature("libjpeg_turbo"), "in Pillow")
    folder = Path(__file__).parent.parent / "tests/fixtures/jpeg"
    folder.mkdir(exist_ok=True)
    for name, jpeg in files():
        # comments and thumbnails are not needed
        (folder / f"{name}.jpg").write_bytes(jpeg)
        shown = Image.open(io.BytesIO(jpeg))
        shown.convert("RGB").save(folder / f"{name}.png", optimize=True)
    rare = cjpeg("-arithmetic")
    (folder / "arithmetic.jpg").write_bytes(rare)
    (folder / "arithmetic-progressive.jpg").write_bytes(cjpeg("-arithmetic", "-progressive"))


if __name__ == "__main__":
    main()
