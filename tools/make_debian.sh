#!/usr/bin/env bash
# Makes a small Debian with some packages in a folder, once.
#
#   tools/make_debian.sh FOLDER SUITE[/backports] PACKAGE...
#
# Needs root and Debian's packages debootstrap and debian-archive-keyring, which it installs. Exits with 77 if that Debian
# cannot be made; FOLDER.log has the reason.
set -eu
[ $# -ge 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 suite=${2%/backports} from=$2
shift 2
log=$folder.log
[ ! -e "$folder/made" ] || exit 0
cannot() {
    printf 'make_debian.sh: %s\n' "$*" >&2
    [ ! -e "$log" ] || tail -n 5 "$log" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || cannot "needs root to create a Debian in $folder"
if ! command -v debootstrap >/dev/null 2>&1 || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    apt-get -qq -y install debootstrap debian-archive-keyring >/dev/null 2>&1 ||
        cannot "debootstrap or Debian's keys are missing, and apt-get cannot install them"
fi
mkdir -p "$folder"
[ -e "$folder/usr/bin/apt-get" ] || debootstrap --force-check-gpg --variant=minbase "$suite" "$folder" >"$log" 2>&1 ||
    cannot "debootstrap failed"
target=()
if [ "$from" != "$suite" ]; then
    # the backports are on debootstrap's mirror
    sed -n "s/ $suite / $suite-backports /p" "$folder/etc/apt/sources.list" >"$folder/etc/apt/sources.list.d/backports.list"
    target=(-t "$suite-backports")
fi
in_it() { DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@" >>"$log" 2>&1 || cannot "$* failed"; }
in_it apt-get -qq -o Acquire::Check-Valid-Until=false update # a mirror may lag behind
in_it apt-get -qq -y install --no-install-recommends "${target[@]}" "$@"
touch "$folder/made"
