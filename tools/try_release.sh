#!/usr/bin/env bash
# Proves an archive of tools/release.sh: unpacks it in a fresh Debian that has a Vulkan driver and nothing else, and trains
# the demo for an epoch there, as a user without rights.
#
#   tools/try_release.sh ARCHIVE FOLDER
#
# FOLDER becomes that Debian (400 MB, once). Needs root; see make_debian.sh. Exits with 77 if it cannot be created.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
archive=$1 folder=$2
(cd "$(dirname "$archive")" && sha256sum --check --quiet SHA256SUMS)
# the packages of the Dockerfile
"$(dirname "$0")/make_debian.sh" "$folder" trixie mesa-vulkan-drivers libvulkan1
chroot "$folder" id user >/dev/null 2>&1 || chroot "$folder" useradd --create-home user
rm -rf "$folder/home/user/wgvae"
mkdir "$folder/home/user/wgvae"
tar -C "$folder/home/user/wgvae" --strip-components=1 -xzf "$archive"
chroot "$folder" chown -R user /home/user/wgvae
# no /proc, /dev or desktop
as_user() { chroot --userspec=user "$folder" env -i HOME=/home/user PATH=/usr/bin:/bin sh -c "cd ~/wgvae && $1"; }
as_user './wgvae --version && ./wgvae adapters'
as_user './wgvae train --epochs 1 --landscapes 512 --runs ../runs --samples ../samples'
as_user './wgvae runs --runs ../runs && ./wgvae sample ../runs/landscapes --out ../sample.png && ls -l ../sample.png'
echo "try_release.sh: $(basename "$archive") runs on a fresh Debian"
