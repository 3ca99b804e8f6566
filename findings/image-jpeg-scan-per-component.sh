#!/usr/bin/env bash
# image 0.25.10 (by zune-jpeg 0.5.15) shows other colours than libjpeg-turbo 2.1.5, and no error, for a valid baseline JPEG with
# chroma subsampled down whose components are in scans of their own.
#
# Expected: baseline JPEGs may have a scan for each component. A decoder shows the pixels of the interleaved file, or refuses.
# Seen: by 4:2:0 and 4:4:0 the picture is far off (more than 100 of 255 in the mean), with two scans as with three. By 4:2:2,
# 4:4:4 and interleaved 4:2:0 it is right. `cjpeg -scans` writes such files.
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

apt-get download libjpeg-turbo-progs=1:2.1.5-2 libjpeg62-turbo=1:2.1.5-2 >/dev/null 2>&1 || {
    echo "needs Debian's libjpeg-turbo-progs 1:2.1.5-2 (apt-get update first)" >&2
    exit 77
}
for package in ./*.deb; do dpkg -x "$package" turbo; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/turbo" -name 'libjpeg.so.62' | head -n 1)")
export LD_LIBRARY_PATH

# smooth colours, without symmetry
python3 - <<'PYTHON'
rows = bytes(part for y in range(64) for x in range(96) for part in (x * 255 // 95, y * 255 // 63, 255 - (x + y) * 255 // 158))
open("picture.ppm", "wb").write(b"P6\n96 64\n255\n" + rows)
PYTHON
printf '0 1 2;\n' >interleaved
printf '0;\n1;\n2;\n' >three
printf '0 1;\n2;\n' >two
for form in interleaved,2x2 three,2x2 two,2x2 three,1x2 three,2x1 three,1x1; do
    turbo/usr/bin/cjpeg -quality 95 -sample "${form#*,}" -scans "${form%,*}" -outfile "$form.jpg" picture.ppm
    turbo/usr/bin/djpeg -ppm -outfile "$form.ppm" "$form.jpg"
done

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "compare"
version = "0.1.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["jpeg"] }
zune-jpeg = "=0.5.15"
TOML
cat >src/main.rs <<'RUST'
fn main() {
    let mut changed = false;
    for (name, right) in [
        ("interleaved,2x2", true), ("three,2x2", false), ("two,2x2", false), ("three,1x2", false), ("three,2x1", true), ("three,1x1", true),
    ] {
        let pixels = image::open(format!("{name}.jpg")).expect("it is decoded without an error").into_rgb8();
        let ppm = std::fs::read(format!("{name}.ppm")).expect("a file");
        let wanted = &ppm[ppm.len() - pixels.len()..];
        let sum: u64 = pixels.iter().zip(wanted).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / pixels.len() as f64;
        println!("scans {}, luma {}: {mean:.2} of 255 from libjpeg-turbo in the mean", name.split(',').next().unwrap(), &name[name.len() - 3..]);
        changed |= if right { mean > 2.0 } else { mean < 20.0 };
    }
    std::process::exit(i32::from(changed));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
