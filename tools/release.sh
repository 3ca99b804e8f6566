#!/usr/bin/env bash
# Makes the archive that is given to users: program, manual pages, completions, licences.
#
#   tools/release.sh [FOLDER]
#
# Writes wgvae-VERSION-TARGET.tar.gz and SHA256SUMS into FOLDER (by default target/archive). Needs cargo, python3 and tar.
# The same commit, compiler and machine give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-${CARGO_TARGET_DIR:-target}/archive}
target=$(rustc -vV | sed -n 's/^host: //p')
version=$(cargo pkgid | sed 's/.*[@#]//')
name=wgvae-$version-$target
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'release.sh: %s\n' "$*" >&2; }

say "building $name"
CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked
mkdir "$work/$name"
cp "${CARGO_TARGET_DIR:-target}/release/wgvae" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/$name/"
cp -r docs "$work/$name/docs"
rm -r "$work/$name/docs/lab-notebook"
# the pictures of the README
mkdir "$work/$name/samples"
grep -o 'samples/[a-z0-9_]*\.png' README.md | sort -u | while read -r picture; do cp "$picture" "$work/$name/samples/"; done

say "licences of the dependencies"
python3 tools/third_party.py "$target" >"$work/$name/THIRD-PARTY.txt"

say "completions and manual pages"
mkdir "$work/$name/completions"
program=$work/$name/wgvae
"$program" completions bash >"$work/$name/completions/wgvae.bash"
"$program" completions zsh >"$work/$name/completions/_wgvae"
"$program" completions fish >"$work/$name/completions/wgvae.fish"
"$program" completions powershell >"$work/$name/completions/_wgvae.ps1"
"$program" completions elvish >"$work/$name/completions/wgvae.elv"
"$program" man "$work/$name/man" >/dev/null

# the time of the commit, so that the archive does not depend on when it is made
date=$(git log -1 --format=%ct 2>/dev/null || echo 0)
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$date" -cf - "$name" |
    gzip -9 -n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >SHA256SUMS)
say "wrote $out/$name.tar.gz ($(du -h "$out/$name.tar.gz" | cut -f1)) and $out/SHA256SUMS"
