#!/usr/bin/env bash
# Tests of trainings by several processes: installs an MPI library and libclang on Debian and Ubuntu, builds with the feature
# `mpi`, and runs tests/mpi.
#
#   tools/mpi.sh [openmpi|mpich] [build]     openmpi by default; with build, only cargo build --release --features mpi
#
# Exit code 77: not possible here, with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
library=${1:-openmpi}
case $library in
openmpi) packages=(openmpi-bin libopenmpi-dev) ;;
mpich) packages=(mpich libmpich-dev) ;;
*) echo "usage: tools/mpi.sh [openmpi|mpich] [build]" >&2 && exit 2 ;;
esac
# the crate mpi asks libclang for what mpi.h declares
command -v "mpicc.$library" >/dev/null 2>&1 && ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1 || {
    command -v apt-get >/dev/null 2>&1 || {
        echo "tools/mpi.sh: LEFT OUT: no mpicc.$library or no libclang here, and no apt-get (packages: ${packages[*]} libclang-dev)"
        exit 77
    }
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    echo "tools/mpi.sh: installing ${packages[*]} libclang-dev with apt-get"
    log=$(mktemp)
    # an outdated index may be good enough
    "${as_root[@]}" apt-get -qq update >"$log" 2>&1 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends \
        "${packages[@]}" libclang-dev >>"$log" 2>&1 </dev/null || {
        sed 's/^/    /' "$log" >&2
        echo "tools/mpi.sh: LEFT OUT: ${packages[*]} libclang-dev could not be installed"
        exit 77
    }
    rm -f "$log"
}
export MPICC=mpicc.$library
# a build with the other library does not notice the change
if [ "$(cat "${CARGO_TARGET_DIR:-target}/mpi-library" 2>/dev/null)" != "$library" ]; then
    cargo clean --quiet --package mpi-sys --package mpi
    mkdir -p "${CARGO_TARGET_DIR:-target}"
    echo "$library" >"${CARGO_TARGET_DIR:-target}/mpi-library"
fi
if [ "${2:-}" = build ]; then
    exec cargo build --release --features mpi
fi
# the kernels of these small trainings need no optimised host; one test after the other: each starts several processes
exec cargo test --quiet --features mpi --config 'profile.dev.package.wgvae.opt-level=0' --test mpi -- --test-threads=1
