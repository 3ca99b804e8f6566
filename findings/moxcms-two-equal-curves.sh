#!/usr/bin/env bash
# moxcms 0.9.2 converts all channels of an ICC matrix profile by the curve of red if exactly two neighbours share a curve.
#
# Expected: each channel goes through its own curve, as in LittleCMS 2.19 (in Pillow 13.0.0).
# Seen: with gammas (2.2, 2.2, 1.8) or (1.8, 2.2, 2.2) the channels that differ are up to 20 of 255 off, without an error. With
# (2.2, 1.8, 2.2), three gammas or one it is right.
#
# Needs cargo, and python3 of version 3.11 or newer with pip. Fails if that changes.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 77; }
python3 -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "needs python3 of version 3.11 or newer with pip" >&2
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target PYTHONPATH=$work/packages

# profiles with the primaries of sRGB, and what LittleCMS makes of some colours
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages --no-deps pillow==13.0.0
cat >profiles.py <<'PYTHON'
import struct

from PIL import Image, ImageCms, features

COLOURS = [(128, 128, 128), (200, 60, 90), (60, 60, 200), (30, 180, 30)]


def profile(gammas):
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 2) + b"p\0" + b"\0" * 78,
        b"cprt": b"text" + b"\0" * 4 + b"none\0",
        b"wtpt": b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061),
        b"rXYZ": b"XYZ " + struct.pack(">Iiii", 0, 28578, 14581, 912),
        b"gXYZ": b"XYZ " + struct.pack(">Iiii", 0, 25241, 46982, 6361),
        b"bXYZ": b"XYZ " + struct.pack(">Iiii", 0, 9376, 3972, 46799),
    }
    for name, gamma in zip((b"rTRC", b"gTRC", b"bTRC"), gammas):
        tags[name] = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    table, data, begin = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", begin + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    head = struct.pack(">I4sI", begin + len(data), b"", 0x02400000) + b"mntrRGB XYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28
    return head + struct.pack(">iii", 63190, 65536, 54061) + b"\0" * 48 + table + data


print("LittleCMS", features.version("littlecms2"))
picture = Image.new("RGB", (len(COLOURS), 1))
picture.putdata(COLOURS)
for name, gammas in {"a": (2.2, 2.2, 1.8), "b": (1.8, 2.2, 2.2), "c": (2.2, 1.8, 2.2), "d": (1.8, 2.0, 2.2), "e": (2.2, 2.2, 2.2)}.items():
    open(f"{name}.icc", "wb").write(profile(gammas))
    transform = ImageCms.buildTransform(f"{name}.icc", ImageCms.createProfile("sRGB"), "RGB", "RGB", renderingIntent=1)
    open(f"{name}.rgb", "wb").write(picture.tobytes() + ImageCms.applyTransform(picture, transform).tobytes())
PYTHON
python3 profiles.py

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "curves"
version = "0.1.0"
edition = "2021"
[dependencies]
moxcms = "=0.9.2"
TOML
cat >src/main.rs <<'RUST'
use moxcms::{ColorProfile, Layout, RenderingIntent, TransformOptions};

fn main() {
    let mut changed = false;
    let cases = [
        ("a", "2.2, 2.2, 1.8", false), ("b", "1.8, 2.2, 2.2", false), ("c", "2.2, 1.8, 2.2", true),
        ("d", "1.8, 2.0, 2.2", true), ("e", "2.2, 2.2, 2.2", true),
    ];
    for (name, gammas, right) in cases {
        let profile = ColorProfile::new_from_slice(&std::fs::read(format!("{name}.icc")).expect("a file")).expect("a profile");
        let colours = std::fs::read(format!("{name}.rgb")).expect("a file");
        let (given, wanted) = colours.split_at(colours.len() / 2);
        let options = TransformOptions { rendering_intent: RenderingIntent::RelativeColorimetric, ..Default::default() };
        let transform = profile.create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, options).expect("a transform");
        let mut pixels = vec![0; given.len()];
        transform.transform(given, &mut pixels).expect("colours");
        let most = pixels.iter().zip(wanted).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        println!("gammas {gammas}: grey 128 is {:?} and {:?} by LittleCMS, at most {most} of 255 apart", &pixels[..3], &wanted[..3]);
        changed |= if right { most > 3 } else { most < 10 };
    }
    std::process::exit(i32::from(changed));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
