#!/usr/bin/env bash
# image 0.25.10 finds no orientation in a PNG whose eXIf chunk comes behind the pixels; Pillow 13.0.0 finds it.
#
# Expected: PNG allows eXIf before or after the pixels (IDAT), so ImageDecoder::orientation says how to turn either file.
# Seen: with the chunk before IDAT it is Rotate90, with the chunk after it is Ok(NoTransforms), without an error, and
# exif_metadata is None. So a photograph in such a file stays on its side.
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

python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages --no-deps pillow==13.0.0
python3 - <<'PYTHON'
import struct

from PIL import Image

exif = Image.Exif()
exif[274] = 6  # the picture is to be turned by 90 degrees
Image.linear_gradient("L").resize((40, 24)).save("before.png", exif=exif)
data = open("before.png", "rb").read()
chunks, at = [], 8
while at < len(data):
    end = at + 12 + struct.unpack(">I", data[at:at + 4])[0]
    chunks.append(data[at:end])
    at = end
chunks.sort(key=lambda chunk: (chunk[4:8] == b"eXIf") + 2 * (chunk[4:8] == b"IEND"))
open("after.png", "wb").write(data[:8] + b"".join(chunks))
for name in ("before", "after"):
    picture = Image.open(f"{name}.png")
    picture.load()
    print(f"Pillow, eXIf {name} the pixels: orientation {picture.getexif()[274]}")
PYTHON

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "orientation"
version = "0.1.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["png"] }
png = "=0.18.1"
TOML
cat >src/main.rs <<'RUST'
use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};

fn main() {
    let seen = ["before", "after"].map(|name| {
        let mut decoder = ImageReader::open(format!("{name}.png")).expect("a file").into_decoder().expect("a PNG");
        let orientation = decoder.orientation().expect("no error");
        println!("image, eXIf {name} the pixels: {orientation:?}, EXIF: {}", decoder.exif_metadata().expect("no error").is_some());
        orientation
    });
    std::process::exit(i32::from(seen != [Orientation::Rotate90, Orientation::NoTransforms]));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
