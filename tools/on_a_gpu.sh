#!/usr/bin/env bash
# Checks and times wgvae on the GPU of this machine, in under 10 minutes: one table.
#
#   tools/on_a_gpu.sh WGVAE [OTHER]
#
# WGVAE is a release binary, OTHER an earlier one to compare with (with the same flags). First comes the self-test, whose
# failures end the script. Then images per second of training steps are measured alternately: OTHER's defaults, the defaults, and
# the configurations that `tune` chooses. If PYTHON (python3) has torch, benches/peers/pytorch_vae.py runs beside them.
#
#   PRESETS="demo laptop reference"     models to time
#   STEPS=20 ROUNDS=3                   steps of a measurement, and measurements
#   SELFTEST="..."                      flags of the self-test, for example --only conv2d on a slow adapter
#   SECONDS_OF_TUNE=180                 time limit of tune for each preset
set -eu
[ $# -ge 1 ] || { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2; }
wgvae=$(realpath "$1") other=${2:+$(realpath "$2")}
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# tuning results of this run alone
export WGVAE_CACHE_DIR=$work/cache
say() { printf '%s s: %s\n' "$SECONDS" "$*" >&2; }

say "self-test"
# shellcheck disable=SC2086 # several flags
"$wgvae" selftest ${SELFTEST:-} >"$work/selftest" || { tail -n 20 "$work/selftest" >&2; exit 1; }
tail -n 1 "$work/selftest"

# Images per second of a training step, from the JSON of `bench`.
rate() { "$@" 2>>"$work/errors" | tail -n 1 | sed -n 's/.*"images_per_s\(econd\)\{0,1\}": *\([0-9.]*\).*/\2/p' | awk '{ printf "%.1f", $1 }'; }

has_torch=''
"$python" -c 'import torch' 2>/dev/null && has_torch=1
printf '%-10s %-10s %12s %12s %12s %12s\n' preset round "${other:+other}" default tuned "${has_torch:+PyTorch}"
for preset in ${PRESETS:-demo laptop reference}; do
    say "$preset: tune"
    timeout "${SECONDS_OF_TUNE:-180}" "$wgvae" tune --preset "$preset" --out "$work/$preset.json" >"$work/tune" 2>&1 ||
        say "$preset: tune did not end in time; what it found is kept in the cache"
    for round in $(seq "${ROUNDS:-3}"); do
        bench=(bench --preset "$preset" --steps "${STEPS:-20}" --json)
        before=${other:+$(rate "$other" "${bench[@]}" --no-tune)}
        default=$(rate "$wgvae" "${bench[@]}" --no-tune)
        tuned=-
        [ ! -e "$work/$preset.json" ] || tuned=$(rate "$wgvae" "${bench[@]}" --tuning "$work/$preset.json")
        torch=''
        # the peer has the reference architecture
        if [ -n "$has_torch" ] && [ "$preset" = reference ]; then
            torch=$(rate "$python" "$here/benches/peers/pytorch_vae.py" --bench --size 256 --hidden 64 --latent 128 \
                --batch 64 --steps "${STEPS:-20}")
        fi
        printf '%-10s %-10s %12s %12s %12s %12s\n' "$preset" "$round" "$before" "${default:--}" "${tuned:--}" "$torch"
    done
done
if [ -s "$work/errors" ]; then
    say "messages of the programs:"
    sort "$work/errors" | uniq -c | sort -rn | head -n 5 >&2
fi
