#!/usr/bin/env bash
# image 0.25.10 (tiff 0.11.3) reads an RGB TIFF of 32-bit integers without the tag SampleFormat as floats of the same bits: black.
#
# Expected: TIFF says that samples are unsigned integers if SampleFormat is missing. So the picture has those values, or it is
# refused, as image refuses the same file with SampleFormat 1.
# Seen: the picture is an Rgb32F of values such as 2.5e-29, without an error, and black as 8 bits.
#
# Needs cargo and python3. Fails if that changes.
set -euo pipefail
for tool in cargo python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool" >&2; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

python3 - <<'PYTHON'
import struct

WIDTH, HEIGHT, SHORT, LONG = 8, 4, 3, 4
samples = [i * 2**29 // (WIDTH * HEIGHT * 3) for i in range(WIDTH * HEIGHT * 3)]
pixels = struct.pack(f"<{len(samples)}I", *samples)


def write(name, with_format):
    count = 11 + with_format
    behind = 8 + 2 + 12 * count + 4
    tags = [
        (256, SHORT, 1, WIDTH), (257, SHORT, 1, HEIGHT), (258, SHORT, 3, behind), (259, SHORT, 1, 1), (262, SHORT, 1, 2),
        (273, LONG, 1, behind + 12), (277, SHORT, 1, 3), (278, SHORT, 1, HEIGHT), (279, LONG, 1, len(pixels)), (284, SHORT, 1, 1),
        (296, SHORT, 1, 1),
    ]
    if with_format:
        tags.append((339, SHORT, 3, behind + 6))
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    extra = struct.pack("<6H", 32, 32, 32, 1, 1, 1)
    open(name, "wb").write(b"II*\0" + struct.pack("<IH", 8, count) + directory + struct.pack("<I", 0) + extra + pixels)


write("without.tif", False)
write("with.tif", True)
PYTHON

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "integers"
version = "0.1.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["tiff"] }
tiff = "=0.11.3"
TOML
cat >src/main.rs <<'RUST'
use image::DynamicImage;

fn main() {
    let refused = match image::open("with.tif") {
        Ok(picture) => format!("read as {:?}", picture.color()),
        Err(error) => format!("refused: {error}"),
    };
    println!("with SampleFormat 1: {refused}");
    let picture = image::open("without.tif").expect("it is read without an error");
    let DynamicImage::ImageRgb32F(floats) = &picture else {
        println!("without SampleFormat: {:?}", picture.color());
        std::process::exit(1);
    };
    let middle = floats.get_pixel(0, 2).0[0];
    let brightest = picture.to_rgb8().into_raw().into_iter().max();
    println!("without SampleFormat: Rgb32F, in the middle {middle:e}, that is the integer {}, the brightest of 8 bits {brightest:?}", middle.to_bits());
    std::process::exit(i32::from(!(refused.starts_with("refused") && middle.to_bits() == 2 << 27 && brightest == Some(0))));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
