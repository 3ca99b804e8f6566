#!/usr/bin/env bash
# image 0.25.10 clips pictures of floats to 0 to 1 when it resizes them, and its thumbnails add one half to every float.
#
# Expected: floats have no range, so the mean of 4 and 8 is 6. image reads Radiance HDR and OpenEXR as floats well above 1.
# Seen: resize turns every value above 1 into 1 and every value below 0 into 0, by each filter. thumbnail does not clip, but
# rounds as if for integers: a picture of 0.25 becomes one of 0.75. Blurring, cropping and turning keep the values. So
# highlights, depths and latents are lost without an error.
#
# Needs cargo. Fails if that changes.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "floats"
version = "0.1.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["hdr"] }
TOML
cat >src/main.rs <<'RUST'
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageBuffer, Luma, Rgb, Rgb32FImage};

fn main() {
    // a bright picture, through a file
    let bright: Vec<Rgb<f32>> = (0..64).map(|i| Rgb([if i % 2 == 0 { 4.0 } else { 8.0 }; 3])).collect();
    image::codecs::hdr::HdrEncoder::new(std::fs::File::create("bright.hdr").expect("a file")).encode(&bright, 8, 8).expect("it is written");
    let picture: Rgb32FImage = match image::open("bright.hdr").expect("it is read") {
        DynamicImage::ImageRgb32F(picture) => picture,
        other => panic!("{:?}", other.color()),
    };
    let signed: ImageBuffer<Luma<f32>, Vec<f32>> = ImageBuffer::from_pixel(8, 8, Luma([-3.0]));
    let first = |picture: DynamicImage| picture.to_rgb32f().get_pixel(1, 1).0[0];
    let given = || DynamicImage::ImageRgb32F(picture.clone());
    println!("read: {} and {}", picture.get_pixel(0, 0).0[0], picture.get_pixel(1, 0).0[0]);
    println!("turned: {}, cropped: {}", first(given().rotate180()), first(given().crop_imm(0, 0, 4, 4)));
    let mut changed = picture.get_pixel(0, 0).0[0] != 4.0;
    for filter in [FilterType::Nearest, FilterType::Triangle, FilterType::CatmullRom, FilterType::Gaussian, FilterType::Lanczos3] {
        let (half, low) = (first(given().resize_exact(4, 4, filter)), imageops::resize(&signed, 4, 4, filter).get_pixel(1, 1).0[0]);
        println!("resized by {filter:?}: {half}, and a picture of -3 is {low}");
        changed |= half != 1.0 || low != 0.0;
    }
    let blurred = first(given().blur(1.0));
    println!("blurred: {blurred:.2}");
    changed |= blurred < 4.0;
    for value in [0.25, -3.0, 0.0] {
        let plain = Rgb32FImage::from_pixel(8, 8, Rgb([value; 3]));
        let thumbnail = first(DynamicImage::ImageRgb32F(plain).thumbnail(4, 4));
        println!("thumbnail of {value}: {thumbnail}");
        changed |= thumbnail != value + 0.5;
    }
    std::process::exit(i32::from(changed));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
