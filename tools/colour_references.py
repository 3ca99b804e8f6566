"""Compares the pixels that the program reads with those of reference programs: a photograph in every format and profile.

    pip install pillow numpy pillow-heif tifffile imagecodecs pillow-jxl-plugin
    python tools/colour_references.py WGVAE PHOTOGRAPH

The references: LittleCMS without its optimisation and with relative colorimetric intent for profiles, libheif, libavif,
djxl's library and tifffile for formats. Prints the largest and the mean difference, of 255, at full size (512 px) and
resized to 128 px, which Pillow does for the reference.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401
import tifffile
from make_format_fixtures import P3, SRGB_CURVE, matrix_profile, parametric
from PIL import Image, ImageCms

SIDE = 512
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))
NO_OPTIMIZE = 0x0100


def gamma(*values):
    return [parametric(value) for value in values]


PROFILES = {
    "P3": matrix_profile("P3", P3, [SRGB_CURVE] * 3),
    "Adobe": matrix_profile("Adobe", ADOBE, gamma(2.2, 2.2, 2.2)),
    "ProPhoto": matrix_profile("ProPhoto", PROPHOTO, gamma(1.8, 1.8, 1.8)),
    "2.2,2.2,1.8": matrix_profile("two equal", ADOBE, gamma(2.2, 2.2, 1.8)),
    "1.8,2.2,2.2": matrix_profile("two equal", ADOBE, gamma(1.8, 2.2, 2.2)),
}


def converted(image, profile):
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, source, target, 1, "RGB", flags=NO_OPTIMIZE)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def cases(image):
    rgb = np.asarray(image)
    for name, profile in PROFILES.items():
        png = saved(image, "PNG", icc_profile=profile)
        yield f"{name}.png", png, converted(image, profile), "LittleCMS"
        for quality, chroma in ((95, 0), (85, 2)):
            jpeg = saved(image, "JPEG", quality=quality, subsampling=chroma, icc_profile=profile)
            yield f"{name}-{quality}.jpg", jpeg, converted(Image.open(io.BytesIO(jpeg)), profile), "LittleCMS"
    plain = saved(image, "JPEG", quality=95, subsampling=0)
    yield "plain-95.jpg", plain, Image.open(io.BytesIO(plain)), "libjpeg"
    p3 = PROFILES["P3"]
    yield "P3.webp", saved(image, "WEBP", lossless=True, icc_profile=p3), converted(image, p3), "LittleCMS"
    yield "P3.tif", tiff(rgb, iccprofile=p3), converted(image, p3), "LittleCMS"
    for name in ("P3", "ProPhoto"):
        deep = tiff(rgb.astype("u2") * 257, iccprofile=PROFILES[name])
        yield f"{name}-16.tif", deep, converted(image, PROFILES[name]), "LittleCMS (8 bits)"
    yield "plain.tif", tiff(rgb), image, "itself"
    yield "float.tif", tiff((rgb / 255).astype("f4")), image, "itself"
    for chroma in (444, 420):
        for profile in (None, p3):
            file = io.BytesIO()
            photo = image.copy()
            photo.info["icc_profile"] = profile
            pillow_heif.from_pillow(photo).save(file, quality=90, chroma=chroma)
            shown = pillow_heif.open_heif(file.getvalue()).to_pillow()
            wanted = converted(shown, profile) if profile else shown
            yield f"{'P3-' if profile else ''}{chroma}.heic", file.getvalue(), wanted, "libheif"
    for chroma in ("4:4:4", "4:2:0"):
        avif = saved(image, "AVIF", quality=90, subsampling=chroma)
        yield f"{chroma.replace(':', '')}.avif", avif, Image.open(io.BytesIO(avif)), "libavif"
    avif = saved(image, "AVIF", quality=90, subsampling="4:4:4", icc_profile=p3)
    yield "P3.avif", avif, converted(Image.open(io.BytesIO(avif)), p3), "libavif"
    for name, options in (("lossless", {"lossless": True}), ("lossy", {"level": 90})):
        jxl = imagecodecs.jpegxl_encode(rgb, **options)
        yield f"{name}.jxl", jxl, Image.fromarray(imagecodecs.jpegxl_decode(jxl)), "libjxl"
    for kind, name in (("PPM", "x.ppm"), ("TGA", "x.tga"), ("BMP", "x.bmp")):
        yield name, saved(image, kind), image, "itself"


def tiff(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None, **options)
    return file.getvalue()


def read(wgvae, name, data, side):
    with tempfile.TemporaryDirectory() as folder:
        only, sheet = Path(folder, "in"), Path(folder, "sheet.png")
        only.mkdir()
        (only / name).write_bytes(data)
        command = [wgvae, "data", "sheet", str(only), "--count", "1", "--size", str(side), "--out", str(sheet)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            return (run.stdout + run.stderr).strip().splitlines()[-1]
        whole = Image.open(sheet).convert("RGB")
        gap = (whole.width - side) // 2
        return np.asarray(whole.crop((gap, gap, gap + side, gap + side))).astype(int)


def main():
    wgvae, photo = sys.argv[1:3]
    image = Image.open(photo).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    print(f"{'':18} {'reference':18} full: largest, mean   resized: largest, mean")
    for name, data, wanted, by in cases(image):
        figures = []
        for side in (SIDE, SIDE // 4):
            is_ = read(wgvae, name, data, side)
            if isinstance(is_, str):
                figures.append(is_)
                break
            shown = wanted.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
            apart = abs(is_ - np.asarray(shown).astype(int))
            figures.append(f"{apart.max():8} {apart.mean():10.3f}     ")
        print(f"{name:18} {by:18} {'  '.join(figures)}")


if __name__ == "__main__":
    main()
