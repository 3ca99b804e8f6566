"""Makes the pictures of tests/fixtures/formats, small ones in every format and layout, and reference pixels as PNGs.

    pip install pillow numpy pillow-heif tifffile imagecodecs pillow-jxl-plugin
    python tools/make_format_fixtures.py

Pictures NAME.EXT with the same NAME show the same; their pixels by a reference (libheif, libavif, libjxl, the picture
itself for lossless ones) are NAME.png. The committed files were made with Pillow 13.0, pillow-heif 1.8 (libheif 1.23),
tifffile 2026.3 and imagecodecs 2026.3.
"""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401
import tifffile
from PIL import Image, ImageOps

OUT = Path(__file__).parent.parent / "tests/fixtures/formats"
WIDTH, HEIGHT = 40, 32


def picture(width=WIDTH, height=HEIGHT):
    """A colour in each corner, and a disc: nothing symmetric, and smooth otherwise."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.dstack([x * 255 / width, y * 255 / height, 255 - (x + y) * 255 / (width + height)])
    rgb[(x - width * 0.3) ** 2 + (y - height * 0.4) ** 2 < (height * 0.2) ** 2] = (240, 30, 20)
    return rgb.astype("u1")


RGB = picture()
GREY = RGB[:, :, 0] // 2 + RGB[:, :, 1] // 2
ALPHA = np.dstack([RGB, np.tile(np.linspace(60, 255, WIDTH).astype("u1"), (HEIGHT, 1))])


def over_white(rgba):
    rgba = rgba.astype(float)
    return (rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:]).round().astype("u1")


def save(name, data):
    (OUT / name).write_bytes(data)


def reference(name, pixels):
    Image.fromarray(pixels).convert("RGB").save(OUT / f"{name}.png", optimize=True)


def tiffs():
    def write(name, pixels, wanted=None, **options):
        tifffile.imwrite(OUT / f"{name}.tiff", pixels, metadata=None, software="", **options)
        if wanted is not None:
            reference(name, wanted)

    wide = RGB.astype("u2") * 257
    write("tiff-rgb", RGB, RGB, photometric="rgb")
    write("tiff-lzw", RGB, RGB, photometric="rgb", compression="lzw", predictor=True)
    write("tiff-deflate-16", wide, RGB, photometric="rgb", compression="zlib", predictor=True, byteorder=">")
    write("tiff-planar", np.moveaxis(RGB, 2, 0), RGB, photometric="rgb", planarconfig="separate")
    write("tiff-planar-tiles", np.moveaxis(RGB, 2, 0), RGB, photometric="rgb", planarconfig="separate", tile=(16, 16))
    write("tiff-tiles", RGB, RGB, photometric="rgb", tile=(16, 16), compression="packbits")
    write("tiff-32", RGB.astype("u4") * 16843009, RGB, photometric="rgb")
    write("tiff-float", (RGB / 255).astype("f4"), RGB, photometric="rgb", compression="zlib", predictor=3)
    write("tiff-half", (RGB / 255).astype("f2"), RGB, photometric="rgb")
    write("tiff-big", RGB, RGB, photometric="rgb", bigtiff=True)
    write("tiff-alpha", ALPHA, over_white(ALPHA), photometric="rgb", extrasamples=["unassalpha"])
    multiplied = ALPHA.copy()
    multiplied[..., :3] = (ALPHA[..., :3].astype(float) * ALPHA[..., 3:] / 255).round()
    write("tiff-premultiplied", multiplied, over_white(ALPHA), photometric="rgb", extrasamples=["assocalpha"])
    grey_alpha = np.dstack([GREY, ALPHA[..., 3]])
    shown = over_white(np.dstack([GREY, GREY, GREY, ALPHA[..., 3]]))
    write("tiff-grey-alpha", grey_alpha, shown, photometric="minisblack", extrasamples=["unassalpha"])
    write("tiff-min-is-white", 255 - GREY, GREY, photometric="miniswhite")
    write("tiff-min-is-white-16", 65535 - GREY.astype("u2") * 257, GREY, photometric="miniswhite")
    numbers = (GREY >> 4).astype("u1")
    colours = np.vstack([np.arange(16) * 17, 255 - np.arange(16) * 17, (np.arange(16) * 51) % 256]).astype("u2")
    write("tiff-palette", numbers, colours.T.astype("u1")[numbers],
          photometric="palette", colormap=np.hstack([colours, np.zeros((3, 240), "u2")]) * 257)
    inks = np.dstack([255 - RGB, np.full_like(GREY, 40)])
    light = (RGB.astype(float) * (255 - 40) / 255).round().astype("u1")
    write("tiff-cmyk", inks, light, photometric="separated")
    write("tiff-jpeg", RGB, None, photometric="rgb", compression="jpeg", compressionargs={"level": 95})
    write("tiff-ycbcr-jpeg", RGB, None, photometric="ycbcr", compression="jpeg", compressionargs={"level": 95}, tile=(16, 16))
    for name in ("tiff-jpeg", "tiff-ycbcr-jpeg"):
        reference(name, tifffile.imread(OUT / f"{name}.tiff"))
    write("tiff-turned", RGB, np.rot90(RGB, -1), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    for bits in (1, 2, 4, 6):
        levels = (GREY.astype(int) * ((1 << bits) - 1) + 127) // 255
        digits = np.unpackbits(levels.astype("u1")[..., None], axis=2)[..., 8 - bits:]
        packed = np.packbits(digits.reshape(HEIGHT, -1), axis=1)
        wanted = (levels * 255 / ((1 << bits) - 1)).round().astype("u1")
        for order in (1, 2):
            rows = packed if order == 1 else np.packbits(np.unpackbits(packed), bitorder="little")
            save(f"tiff-{bits}-bits-{order}.tiff", plain_tiff(rows.tobytes(), bits, order))
            reference(f"tiff-{bits}-bits-{order}", wanted)


def plain_tiff(strip, bits, order):
    """A grey TIFF of one strip, without a library: those that pack bits are few."""
    tags = [(256, 3, WIDTH), (257, 3, HEIGHT), (258, 3, bits), (259, 3, 1), (262, 3, 1), (266, 3, order),
            (273, 4, 8 + 2 + 10 * 12 + 4), (277, 3, 1), (278, 3, HEIGHT), (279, 4, len(strip))]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return head + entries + bytes(4) + strip


def heics():
    def write(name, image):
        file = io.BytesIO()
        heif = pillow_heif.from_pillow(image)
        heif.save(file, quality=90, chroma=444)
        save(f"{name}.heic", file.getvalue())
        shown = pillow_heif.open_heif(file.getvalue()).to_pillow()
        reference(name, over_white(np.asarray(shown)) if shown.mode == "RGBA" else np.asarray(shown))

    write("heic", Image.fromarray(RGB))
    write("heic-alpha", Image.fromarray(ALPHA))
    image = Image.fromarray(RGB)
    image.info["icc_profile"] = matrix_profile("Display P3", P3, [SRGB_CURVE] * 3)
    write("heic-p3", image)
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(WIDTH, HEIGHT), data=(RGB.astype("u2") * 257).tobytes())
    file = io.BytesIO()
    deep.save(file, quality=90, chroma=444)
    save("heic-10.heic", file.getvalue())
    reference("heic-10", np.asarray(pillow_heif.open_heif(file.getvalue()).to_pillow()))


def xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def parametric(*values):
    kind = {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(values)]
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


SRGB_CURVE = parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))


def matrix_profile(name, colorants, curves):
    """A profile by numbers, as small as it can be."""
    text = name.encode() + b"\0"
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)), (b"wtpt", xyz((0.9642, 1, 0.8249)))]
    tags += [(tag + b"XYZ", xyz(values)) for tag, values in zip((b"r", b"g", b"b"), colorants)]
    tags += [(tag + b"TRC", curve) for tag, curve in zip((b"r", b"g", b"b"), curves)]
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags:
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytearray(128)
    head[0:4] = struct.pack(">I", 128 + len(table) + len(body))
    head[8:12] = b"\2\x10\0\0"
    head[12:24] = b"mntrRGB XYZ "
    head[36:40] = b"acsp"
    head[68:80] = xyz((0.9642, 1, 0.8249))[8:]
    return bytes(head) + table + body


def avifs():
    def write(name, image, **options):
        file = io.BytesIO()
        image.save(file, "AVIF", quality=90, **options)
        save(f"{name}.avif", file.getvalue())
        shown = ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue())))
        pixels = np.asarray(shown)
        reference(name, over_white(pixels) if shown.mode == "RGBA" else pixels)

    write("avif", Image.fromarray(RGB), subsampling="4:4:4")
    write("avif-420", Image.fromarray(RGB), subsampling="4:2:0")
    write("avif-limited", Image.fromarray(RGB), subsampling="4:4:4", range="limited")
    write("avif-alpha", Image.fromarray(ALPHA), subsampling="4:4:4")
    exif = Image.Exif()
    exif[274] = 6
    write("avif-turned", Image.fromarray(RGB), subsampling="4:4:4", exif=exif)
    save("avif-10.avif", imagecodecs.avif_encode(RGB.astype("u2") * 4, level=95, bitspersample=10, pixelformat="444"))
    reference("avif-10", (imagecodecs.avif_decode((OUT / "avif-10.avif").read_bytes()) / 1023 * 255).round().astype("u1"))
    mono = imagecodecs.avif_encode(GREY, level=95, pixelformat="400")
    save("avif-grey.avif", mono)
    reference("avif-grey", imagecodecs.avif_decode(mono))


def jxls():
    def write(name, data, wanted=None):
        save(f"{name}.jxl", data)
        reference(name, wanted if wanted is not None else imagecodecs.jpegxl_decode(data))

    write("jxl", imagecodecs.jpegxl_encode(RGB, lossless=True), RGB)
    write("jxl-lossy", imagecodecs.jpegxl_encode(RGB, level=95))
    write("jxl-16", imagecodecs.jpegxl_encode(RGB.astype("u2") * 257, lossless=True), RGB)
    write("jxl-grey", imagecodecs.jpegxl_encode(GREY, lossless=True), GREY)
    write("jxl-alpha", imagecodecs.jpegxl_encode(ALPHA, lossless=True), over_white(ALPHA))


def others():
    Image.fromarray(RGB).save(OUT / "pnm.ppm")
    save("pnm-16.ppm", b"P6\n%d %d\n1023\n" % (WIDTH, HEIGHT) + (RGB.astype(float) * 1023 / 255).round().astype(">u2").tobytes())
    save("pnm-grey.pgm", b"P5 # a comment\n%d %d\n255\n" % (WIDTH, HEIGHT) + GREY.tobytes())
    save("tga.tga", run_length_tga())
    Image.fromarray(ALPHA).save(OUT / "ico.ico", sizes=[(WIDTH, HEIGHT)], bitmap_format="bmp")
    save("qoi.qoi", imagecodecs.qoi_encode(RGB))
    Image.fromarray(RGB).quantize(64).save(OUT / "gif.gif")
    reference("gif", np.asarray(Image.open(OUT / "gif.gif").convert("RGB")))
    for name in ("pnm", "pnm-16", "tga", "qoi"):
        reference(name, RGB)
    reference("pnm-grey", GREY)
    reference("ico", over_white(ALPHA))


def run_length_tga():
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "TGA", compression="tga_rle")
    return file.getvalue()


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    tiffs()
    heics()
    avifs()
    jxls()
    others()
