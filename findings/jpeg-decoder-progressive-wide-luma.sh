#!/usr/bin/env bash
# jpeg-decoder 0.3.2 gives other pixels than libjpeg-turbo 2.1.5, and no error, for a valid progressive JPEG whose luma has four
# samples where a chroma component has two, at some widths and not at others. Seen: a mean difference of
# 19 of 255 for 75 x 61 pixels with factors 4x1,2x1,2x1; the same picture as a baseline JPEG agrees to 0.3. At 96 pixels
# of width both agree.
#
# Needs cargo, python3, and apt-get of Debian 12, whose packages it unpacks in a temporary folder. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download libjpeg-turbo-progs=1:2.1.5-2 libjpeg62-turbo=1:2.1.5-2 >/dev/null
for package in ./*.deb; do dpkg -x "$package" turbo; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/turbo" -name 'libjpeg.so.62' | head -n 1)")
export LD_LIBRARY_PATH

# a smooth picture with three discs, at two widths
python3 - <<'PYTHON'
for width in (75, 96):
    rows = bytearray()
    for y in range(61):
        for x in range(width):
            colour = (min(255, 3 * x), min(255, 4 * y), max(0, 255 - x - y))
            for cx, cy, r, disc in ((20, 20, 12, (220, 30, 30)), (55, 30, 10, (30, 200, 60)), (40, 50, 9, (250, 240, 40))):
                if (x - cx) ** 2 + (y - cy) ** 2 < r * r:
                    colour = disc
            rows += bytes(colour)
    open(f"{width}.ppm", "wb").write(b"P6\n%d 61\n255\n" % width + rows)
PYTHON
for width in 75 96; do
    for form in baseline progressive; do
        turbo/usr/bin/cjpeg -quality 95 -sample 4x1,2x1,2x1 "-$form" -outfile "$width-$form.jpg" "$width.ppm"
        turbo/usr/bin/djpeg -ppm -outfile "$width-$form.ppm" "$width-$form.jpg"
    done
done

mkdir -p compare/src
cat >compare/Cargo.toml <<'TOML'
[package]
name = "compare"
version = "0.1.0"
edition = "2021"
[dependencies]
jpeg-decoder = "=0.3.2"
TOML
cat >compare/src/main.rs <<'RUST'
fn main() {
    for name in std::env::args().skip(1) {
        let jpeg = std::fs::read(format!("{name}.jpg")).expect("a file");
        let ppm = std::fs::read(format!("{name}.ppm")).expect("a file");
        let pixels = jpeg_decoder::Decoder::new(&jpeg[..]).decode().expect("it is decoded without an error");
        let wanted = &ppm[ppm.len() - pixels.len()..];
        let sum: u64 = pixels.iter().zip(wanted).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        println!("{name} {:.2}", sum as f64 / pixels.len() as f64);
    }
}
RUST
cargo run --quiet --release --manifest-path compare/Cargo.toml -- 75-baseline 75-progressive 96-baseline 96-progressive >seen
cat seen
awk '
    $1 == "75-progressive" { wrong = $2 > 5; next }
    $2 > 1 { other = 1 }
    END { exit !(wrong && !other) }' seen || {
    echo "this has changed: see above" >&2
    exit 1
}
