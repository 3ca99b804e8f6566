#!/usr/bin/env bash
# Trains or tests on a machine that has a Rust toolchain and maybe nothing else.
#
#   tools/run.sh train [DATA] [options of wgvae train]   no DATA: the built-in landscapes, the demo preset
#   tools/run.sh test [options of cargo test]            no options: everything, then kernels and golden on SwiftShader
#   tools/run.sh setup                                   only the first step of both
#
# Both first see to a linker and a Vulkan driver, which on Debian and Ubuntu come from apt where they are
# missing; test without options sees to a browser too. WGVAE_NO_SWIFTSHADER=1 leaves SwiftShader out,
# WGVAE_ALLOW_NO_BROWSER=1 the tests of the page where there is no browser.
set -eu
cd "$(dirname "$0")/.."
# Mesa asks the desktop which GPU it uses, and complains where there is no desktop
[ -n "${XDG_RUNTIME_DIR:-}" ] || export NODEVICE_SELECT=1

say() { printf 'run.sh: %s\n' "$*"; }
fail() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

# Runs a command as root: 1 if there is no way to.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        # without a terminal nobody can type a password
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
    # an outdated index may still do
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" >>"$log" 2>&1 </dev/null &&
        status=0 || status=1
    [ "$status" = 0 ] || sed 's/^/    /' "$log" >&2
    rm -f "$log"
    return "$status"
}

# Installs what the build or the run cannot do without, or says what to install and ends.
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
    # Metal and Direct3D come with the system, and so does a linker with Rust there
    [ "$(uname -s)" = Linux ] || return 0
    command -v cc >/dev/null 2>&1 || need "a linker (cc)" gcc libc6-dev
    if has_loader && has_driver; then
        say "Vulkan loader and driver are there"
    else
        need "a Vulkan driver" mesa-vulkan-drivers libvulkan1
        say "Vulkan: installed Mesa's drivers; without a GPU they compute on the CPU"
    fi
}

# The folder of the pictures that train writes: what follows --samples, or samples.
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

# The folder with SwiftShader's library, from Debian's chromium; nothing where it cannot be had.
swiftshader_folder() {
    local folder
    for folder in /usr/lib/chromium /usr/lib/chromium-browser /opt/google/chrome; do
        [ -e "$folder/libvk_swiftshader.so" ] && printf '%s' "$folder" && return
    done
    return 0
}

# Kernels and golden values once more on a second software adapter, whose subgroups are 4 wide where Mesa's are 8.
test_on_swiftshader() {
    local folder scratch icd status=0
    folder=$(swiftshader_folder)
    if [ -z "$folder" ]; then
        if ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null || ! command -v apt-get >/dev/null 2>&1; then
            say "SwiftShader left out: it comes with Debian's chromium package, and this is not Debian"
            return 0
        fi
        say "installing chromium-common with apt-get, for SwiftShader (WGVAE_NO_SWIFTSHADER=1 leaves it out)"
        apt_install chromium-common || true
        folder=$(swiftshader_folder)
        [ -n "$folder" ] || { say "SwiftShader left out: chromium-common could not be installed" && return 0; }
    fi
    # a driver file of our own, because theirs may name the library by a path that only they can follow
    scratch=$(mktemp -d)
    icd=$scratch/swiftshader.json # the loader passes over any other suffix
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.0.5"}}\n' \
        "$folder/libvk_swiftshader.so" >"$icd"
    say "kernels and golden values once more, on SwiftShader"
    # it compiles one kernel at a time in a process, so that one after the other would leave a core idle
    printf '%s\n' kernels golden |
        WGVAE_ADAPTER=SwiftShader VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd \
            xargs -P 2 -I TEST cargo test --test TEST -- --nocapture || status=$?
    rm -rf "$scratch"
    return "$status"
}

# The page is tested in a browser, which on Debian comes from apt; elsewhere the test says what to do without one.
see_to_browser() {
    local name
    [ -z "${WGVAE_CHROMIUM:-}" ] && [ "${WGVAE_ALLOW_NO_BROWSER:-}" != 1 ] || return 0
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    if grep -qx 'ID=debian' /etc/os-release 2>/dev/null && command -v apt-get >/dev/null 2>&1; then
        say "installing chromium with apt-get, for the page's tests (WGVAE_ALLOW_NO_BROWSER=1 does without)"
        apt_install chromium || true
    fi
}

tests() {
    [ $# != 0 ] || see_to_browser
    say "cargo test $*"
    cargo test "$@"
    if [ $# = 0 ] && [ "$(uname -s)" = Linux ]; then
        if [ "${WGVAE_NO_SWIFTSHADER:-}" = 1 ]; then
            say "SwiftShader left out: WGVAE_NO_SWIFTSHADER=1"
        else
            test_on_swiftshader
        fi
    fi
    say "all tests passed"
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
*) fail "usage: tools/run.sh train [DATA] [options] | test [options of cargo test] | setup" ;;
esac
