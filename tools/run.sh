#!/usr/bin/env bash
# Trains or tests on a machine with a Rust toolchain; installs what else is missing.
#
#   tools/run.sh train [DATA] [options of wgvae train]   without DATA: the built-in landscapes, the demo preset
#   tools/run.sh test [options]                      the tests that every change must pass; test --help lists the options
#   tools/run.sh setup                               only the first step of both
#
# Both first check for a linker and a Vulkan driver; on Debian and Ubuntu missing ones are installed with apt. `test`
# also installs a browser and SwiftShader, which comes with it. WGVAE_ALLOW_NO_BROWSER=1 skips the tests of the page if
# there is no browser, WGVAE_NO_SWIFTSHADER=1 skips those on SwiftShader.
set -eu
cd "$(dirname "$0")/.."
# Mesa asks the desktop which GPU to use, and prints an error if there is no desktop
[ -n "${XDG_RUNTIME_DIR:-}" ] || export NODEVICE_SELECT=1

say() { printf 'run.sh: %s\n' "$*"; }
fail() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

# Runs a command as root; returns 1 if that is not possible.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        # without a terminal no password can be typed
        if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
    else
        return 1
    fi
}

apt_updated=
# Installs packages quietly; on failure shows what apt said and returns 1.
apt_install() {
    local log status=0
    log=$(mktemp)
    if [ -z "$apt_updated" ]; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >"$log" 2>&1 || status=1
        apt_updated=yes
    fi
    # an outdated index may be good enough
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" >>"$log" 2>&1 </dev/null &&
        status=0 || status=1
    [ "$status" = 0 ] || sed 's/^/    /' "$log" >&2
    rm -f "$log"
    return "$status"
}

# Installs a required package; on failure says what to install, and exits.
need() {
    local what=$1
    shift
    if ! command -v apt-get >/dev/null 2>&1; then
        fail "$what is missing, and this system has no apt-get. Install it with your package manager" \
            "(on Debian the packages are: $*), then run this again."
    fi
    say "$what is missing: installing $* with apt-get"
    apt_install "$@" || fail "could not install it. As root, run: apt-get update && apt-get install $*"
}

has_loader() {
    local file
    for file in /usr/lib/*/libvulkan.so.1 /usr/lib/libvulkan.so.1 /usr/lib64/libvulkan.so.1 \
        /lib/*/libvulkan.so.1 /usr/local/lib/libvulkan.so.1 /usr/local/lib/*/libvulkan.so.1; do
        [ -e "$file" ] && return 0
    done
    PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

has_driver() {
    local named file
    named=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}
    if [ -n "$named" ]; then
        [ -e "${named%%:*}" ] && return 0
        fail "VK_DRIVER_FILES or VK_ICD_FILENAMES names ${named%%:*}, which is not there: correct or unset it."
    fi
    for file in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json \
        /usr/local/etc/vulkan/icd.d/*.json "${HOME:-/}"/.local/share/vulkan/icd.d/*.json; do
        [ -e "$file" ] && return 0
    done
    return 1
}

setup() {
    if ! command -v cargo >/dev/null 2>&1; then
        PATH="$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin"
        export PATH
        command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust from https://rustup.rs first."
    fi
    # on other systems Metal or Direct3D is built in, and Rust comes with a linker
    [ "$(uname -s)" = Linux ] || return 0
    command -v cc >/dev/null 2>&1 || need "a linker (cc)" gcc libc6-dev
    if has_loader && has_driver; then
        say "Vulkan loader and driver are there"
    else
        need "a Vulkan driver" mesa-vulkan-drivers libvulkan1
        say "Vulkan: installed Mesa's drivers; without a GPU they compute on the CPU"
    fi
}

# The folder of a training's pictures: the value of --samples, or samples.
samples_folder() {
    local folder=samples
    while [ $# -gt 0 ]; do
        case $1 in
        --samples=*) folder=${1#--samples=} ;;
        --samples) folder=${2:-samples} ;;
        esac
        shift
    done
    printf '%s' "$folder"
}

train() {
    local marker folder written status=0
    marker=$(mktemp)
    folder=$(samples_folder "$@")
    say "building, then training: cargo run --release -- train $*"
    cargo run --release -- train "$@" || status=$?
    written=$(find "$folder" -name '*.png' -newer "$marker" 2>/dev/null | sort)
    rm -f "$marker"
    [ "$status" = 0 ] || exit "$status"
    if [ -n "$written" ]; then
        say "pictures written:"
        printf '%s\n' "$written" | sed 's/^/    /'
    else
        say "no picture was written to $folder"
    fi
}

# Installs a package that only Debian has, if this is Debian; otherwise the test that needs it gives advice.
from_debian() {
    grep -qx 'ID=debian' /etc/os-release 2>/dev/null && command -v apt-get >/dev/null 2>&1 || return 0
    say "installing $1 with apt-get, for $2 ($3 does without)"
    apt_install "$1" || true
}

# The page is tested in a browser, and kernels a second time on SwiftShader, which comes with Debian's.
see_to_browser() {
    local file
    [ "$(uname -s)" = Linux ] || return 0
    if [ -z "${WGVAE_CHROMIUM:-}" ] && [ "${WGVAE_ALLOW_NO_BROWSER:-}" != 1 ] &&
        ! command -v chromium >/dev/null 2>&1 && ! command -v chromium-browser >/dev/null 2>&1 &&
        ! command -v google-chrome >/dev/null 2>&1; then
        from_debian chromium "the page's tests" WGVAE_ALLOW_NO_BROWSER=1
    fi
    if [ "${WGVAE_ALLOW_NO_BROWSER:-}" != 1 ] && ! command -v firefox >/dev/null 2>&1 &&
        ! command -v firefox-esr >/dev/null 2>&1; then
        from_debian firefox-esr "the page's tests in Firefox" WGVAE_ALLOW_NO_BROWSER=1
    fi
    [ "${WGVAE_NO_SWIFTSHADER:-}" != 1 ] || return 0
    for file in /usr/lib/chromium /usr/lib/chromium-browser /opt/google/chrome; do
        [ ! -e "$file/libvk_swiftshader.so" ] || return 0
    done
    from_debian chromium-common "tests on SwiftShader" WGVAE_NO_SWIFTSHADER=1
}

tests() {
    case " $* " in
    *" -h "* | *" --help "* | *" --list "*) exec cargo test --quiet --test suite -- "$@" ;;
    *" web "* | *" swiftshader "*) see_to_browser ;;
    *" --group "* | *" --kernel "* | *" --variant "*) ;;
    *) see_to_browser ;;
    esac
    # all at once, so that all cores are busy while the suite's own crate is built
    [ $# != 0 ] || cargo test --no-run --tests --test suite
    cargo test --quiet --test suite -- "$@"
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
train)
    setup
    train "$@"
    ;;
test)
    setup
    tests "$@"
    ;;
setup) setup ;;
*) fail "usage: tools/run.sh train [DATA] [options] | test [options] | setup" ;;
esac
