#!/usr/bin/env bash
# Runs a program on llvmpipe of a newer Mesa than the system's. Since Mesa 26 llvmpipe supports cooperative matrices,
# the only software adapter that does.
#
#   tools/newer_mesa.sh FOLDER PROGRAM [ARGUMENTS]
#
# FOLDER becomes a small Debian with Mesa from its backports (500 MB, once), in which a copy of PROGRAM runs. Needs
# root; see make_debian.sh. Exits with 77 if that Debian cannot be created.
set -eu
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 program=$2
shift 2
"$(dirname "$0")/make_debian.sh" "$folder" trixie/backports mesa-vulkan-drivers libvulkan1
cp "$program" "$folder/usr/local/bin/program"
exec chroot "$folder" env HOME=/root NODEVICE_SELECT=1 /usr/local/bin/program "$@"
