#!/usr/bin/env bash
# Runs a program on llvmpipe of a newer Mesa than the system's. Since Mesa 26 llvmpipe supports cooperative matrices,
# the only software adapter that does.
#
#   tools/newer_mesa.sh FOLDER PROGRAM [ARGUMENTS]
#
# FOLDER becomes a small Debian with Mesa from its backports (500 MB, once), in which a copy of PROGRAM runs. Needs
# root and Debian's packages debootstrap and debian-archive-keyring. Exits with 77 if that Debian cannot be created.
set -eu
suite=trixie

[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 program=$2
shift 2
log=$folder.log
cannot() {
    printf 'newer_mesa.sh: %s\n' "$*" >&2
    [ ! -e "$log" ] || tail -n 5 "$log" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || cannot "needs root to create a Debian in $folder"

if [ ! -e "$folder/made" ]; then
    if ! command -v debootstrap >/dev/null 2>&1 || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
        apt-get -qq -y install debootstrap debian-archive-keyring >/dev/null 2>&1 ||
            cannot "debootstrap or Debian's keys are missing, and apt-get cannot install them"
    fi
    mkdir -p "$folder"
    debootstrap --force-check-gpg --variant=minbase "$suite" "$folder" >"$log" 2>&1 || cannot "debootstrap failed"
    # the backports are on debootstrap's mirror
    sed -n "s/ $suite / $suite-backports /p" "$folder/etc/apt/sources.list" >"$folder/etc/apt/sources.list.d/backports.list"
    in_it() { DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@" >>"$log" 2>&1 || cannot "$* failed"; }
    in_it apt-get -qq update
    in_it apt-get -qq -y install --no-install-recommends -t "$suite-backports" mesa-vulkan-drivers libvulkan1
    touch "$folder/made"
fi
cp "$program" "$folder/usr/local/bin/program"
exec chroot "$folder" env HOME=/root NODEVICE_SELECT=1 /usr/local/bin/program "$@"
