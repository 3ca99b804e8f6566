#!/usr/bin/env bash
# Pillow 13.0.0 (LittleCMS 2.19) converts a grey picture with a linear ICC profile to sRGB ten of 255 too dark in the shadows.
#
# Expected: 8-bit conversions of one curve are exact to one step of 255: LittleCMS needs no more than a table of 256 entries.
# Seen: grey 2 of 255 becomes 12, and 22 is right. With Flags.NOOPTIMIZE all 256 greys are exact, and profiles of gamma 2.2 are
# within 1. So a test that takes Pillow for the truth fails a decoder that is right.
#
# Needs python3 of version 3.11 or newer with pip. Fails if that changes.
set -euo pipefail
python3 -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "needs python3 of version 3.11 or newer with pip" >&2
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH=$work/packages

python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages --no-deps pillow==13.0.0
cat >grey.py <<'PYTHON'
import io
import struct
import sys

from PIL import Image, ImageCms, features


def grey(gamma):
    """An ICC profile of version 2 for one channel; a curve without entries is linear."""
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 2) + b"g\0" + b"\0" * 78,
        b"cprt": b"text" + b"\0" * 4 + b"none\0",
        b"wtpt": b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061),
        b"kTRC": b"curv" + (struct.pack(">II", 0, 0) if gamma == 1 else struct.pack(">IIH", 0, 1, round(gamma * 256))),
    }
    table, data, begin = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", begin + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    head = struct.pack(">I4sI", begin + len(data), b"", 0x02400000) + b"mntrGRAYXYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28
    profile = head + struct.pack(">iii", 63190, 65536, 54061) + b"\0" * 48 + table + data
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def srgb(linear):
    return 255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055)


print("LittleCMS", features.version("littlecms2"))
picture = Image.frombytes("L", (256, 1), bytes(range(256)))
most = {}
for gamma in (1, 2.2):
    for flags in (ImageCms.Flags.NONE, ImageCms.Flags.NOOPTIMIZE):
        transform = ImageCms.buildTransform(grey(gamma), ImageCms.createProfile("sRGB"), "L", "RGB", renderingIntent=1, flags=flags)
        seen = ImageCms.applyTransform(picture, transform).tobytes()[1::3]
        exact = [srgb((value / 255) ** gamma) for value in range(256)]
        worst = max(range(256), key=lambda value: abs(seen[value] - exact[value]))
        most[gamma, flags] = abs(seen[worst] - exact[worst])
        print(f"gamma {gamma}, {flags.name:>10}: most at grey {worst}, {seen[worst]} and exactly {exact[worst]:.1f}; grey 10 is {seen[10]} and exactly {exact[10]:.1f}")
sys.exit(not (most[1, ImageCms.Flags.NONE] > 8 and all(off < 1.2 for case, off in most.items() if case != (1, ImageCms.Flags.NONE))))
PYTHON
python3 grey.py || { echo "this has changed: see above" >&2; exit 1; }
