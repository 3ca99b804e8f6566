"""Makes the reference pictures for the resizing and decoding tests in tests/data.

    pip install pillow
    python tools/make_resize_fixture.py FOLDER

FOLDER holds the photographs named in PHOTOS (all CC0); small crops of them, and Pillow's results for the
crops, are written to tests/fixtures/. The CMYK pictures are drawn, not photographed.
"""

import sys
from pathlib import Path

from PIL import Image

PHOTOS = {
    "lake": "Testing Data/Lake/nature-mirror-280b83.jpg",
    "coast": "Testing Data/Ocean/morning-at-sea-80169d.jpg",
    "city": "Training Data/City/nyc-lossless-a159f6.jpg",
}
# width, height of the crop, and the sizes it is resized to: down, down, up
CROPS = {"lake": (113, 84, (64, 48)), "coast": (90, 110, (64, 48)), "city": (53, 40, (24, 96))}


def main(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, path in PHOTOS.items():
        width, height, sizes = CROPS[name]
        photo = Image.open(folder / path).convert("RGB")
        left, top = (photo.width - width) // 2, (photo.height - height) // 2
        crop = photo.crop((left, top, left + width, top + height))
        crop.save(out / f"{name}.png", optimize=True)
        for size in sizes:
            small = crop.resize((size, size), Image.Resampling.BILINEAR)
            small.save(out / f"{name}_{size}.png", optimize=True)
    # flat patches, so that colours are compared and not compression artefacts
    patches = Image.new("CMYK", (48, 32))
    inks = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (40, 90, 160, 60)]
    for index, ink in enumerate(inks):
        patches.paste(ink, (index % 3 * 16, index // 3 * 16, index % 3 * 16 + 16, index // 3 * 16 + 16))
    patches.save(out / "cmyk.jpg", quality=95)
    Image.open(out / "cmyk.jpg").convert("RGB").save(out / "cmyk_rgb.png", optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).resolve().parent.parent / "tests" / "fixtures")
