#!/usr/bin/env bash
# jxl-oxide 0.12.6 renders a lossy JPEG XL in Display P3 with the colours squeezed into sRGB, and calls the result Display P3.
#
# Expected: the rendering is in the colour space that rendered_cicp and rendered_icc name, as djxl 0.7.0 gives it.
# Seen: (30, 220, 40) of Display P3 comes out as (98, 213, 102) of Display P3, which is a colour at the edge of sRGB, and
# rendered_cicp says primaries 11 (Display P3). So a lossy wide-gamut picture comes out duller than it is. Asked for sRGB by
# request_color_encoding it is right, with values below 0 for what sRGB cannot show.
#
# Needs cargo, python3, and apt-get of Debian 12, whose packages it unpacks in a temporary folder. Fails if that changes.
set -euo pipefail
for tool in cargo python3 apt-get dpkg; do
    command -v "$tool" >/dev/null || { echo "needs $tool" >&2; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

jxl=0.7.0-10+deb12u1
apt-get download libjxl-tools=$jxl libjxl0.7=$jxl libhwy1=1.0.3-3+deb12u1 libtcmalloc-minimal4=2.10-1 libturbojpeg0=1:2.1.5-2 \
    libjpeg62-turbo=1:2.1.5-2 libopenexr-3-1-30=3.1.5-5 libimath-3-1-29=3.1.6-1 libbrotli1=1.0.9-2+b6 \
    libgif7=5.2.1-2.5 libpng16-16=1.6.39-2+deb12u5 >/dev/null 2>&1 || {
    echo "needs Debian's libjxl-tools $jxl and what it links (apt-get update first)" >&2
    exit 77
}
for package in ./*.deb; do dpkg -x "$package" debian; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/debian" -name 'libjxl.so.0.7' | head -n 1)")

# two flat halves, which are in Display P3; the header says so, the pixels are as they are
python3 - <<'PYTHON'
rows = (bytes((30, 220, 40)) * 16 + bytes((220, 30, 40)) * 16) * 32
open("picture.ppm", "wb").write(b"P6\n32 32\n255\n" + rows)
PYTHON
LD_LIBRARY_PATH=$LD_LIBRARY_PATH debian/usr/bin/cjxl --quiet -d 1 -x color_space=RGB_D65_DCI_Rel_SRG picture.ppm picture.jxl
LD_LIBRARY_PATH=$LD_LIBRARY_PATH debian/usr/bin/djxl --quiet picture.jxl djxl.ppm

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "gamut"
version = "0.1.0"
edition = "2021"
[dependencies]
jxl-oxide = "=0.12.6"
[profile.dev]
debug = false
TOML
cat >src/main.rs <<'RUST'
use jxl_oxide::{EnumColourEncoding, JxlImage, RenderingIntent};

fn main() {
    let ppm = std::fs::read("djxl.ppm").expect("a file");
    let wanted: Vec<f32> = ppm[ppm.len() - 32 * 32 * 3..][(10 * 32 + 5) * 3..][..3].iter().map(|&v| f32::from(v)).collect();
    println!("djxl: {wanted:?}");
    let mut image = JxlImage::builder().open("picture.jxl").expect("a picture");
    println!("header: {:?}", image.image_header().metadata.colour_encoding);
    let render = |image: &JxlImage| -> Vec<f32> {
        let buffer = image.render_frame(0).expect("pixels").image_all_channels();
        buffer.buf()[(10 * 32 + 5) * buffer.channels()..][..3].iter().map(|v| (v * 255.0).round()).collect()
    };
    let plain = render(&image);
    let primaries = image.rendered_cicp().map(|cicp| cicp[0]);
    println!("jxl-oxide: {plain:?}, primaries {primaries:?}");
    image.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
    let asked = render(&image);
    println!("jxl-oxide, asked for sRGB: {asked:?}, primaries {:?}", image.rendered_cicp().map(|cicp| cicp[0]));
    let off = plain.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // green of Display P3 is outside sRGB, so its red there is below zero
    std::process::exit(i32::from(!(off > 40.0 && primaries == Some(11) && asked[0] < 0.0)));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
