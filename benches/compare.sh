#!/usr/bin/env bash
# Training steps of wgvae and of the PyTorch script, in turn, on this machine: images per second and the ratio.
#
#   PYTHON=python3 benches/compare.sh [rounds]      needs torch; SIZE, HIDDEN, LATENT, BATCH change the model
#
# Quiet cores only: a second job slows PyTorch down far more than it slows a GPU.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
model=(--size "${SIZE:-64}" --hidden "${HIDDEN:-64}" --latent "${LATENT:-128}")
batch=${BATCH:-16}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

cargo build --release --quiet
program=${CARGO_TARGET_DIR:-target}/release/wgvae
# an uncounted round fills the driver's cache of compiled kernels
"$program" bench "${model[@]}" --batch-size "$batch" --steps 1 >/dev/null
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    "$program" bench "${model[@]}" --batch-size "$batch" --steps 8 --json >>"$results"
    "${PYTHON:-python3}" benches/peers/pytorch_vae.py --bench "${model[@]}" --batch "$batch" --steps 8 >>"$results"
done

"${PYTHON:-python3}" - "$results" <<'PYTHON'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
ours = [r["images_per_second"] for r in rows if "adapter" in r]
peer = [r["images_per_s"] for r in rows if "torch" in r]
first, other = (next(r for r in rows if key in r) for key in ("adapter", "torch"))
show = lambda name, v: print(f"{name:70} {statistics.median(v):8.2f} images/s  ({min(v):.2f} to {max(v):.2f})")
print(f"{first['size']} px, hidden {first['hidden']}, latent {first['latent']}, batch {first['batch']}")
show(f"wgvae, {first['adapter']}", ours)
show(f"PyTorch {other['torch']}, {other['device']}", peer)
ratios = [a / b for a, b in zip(ours, peer)]
print(f"ratio, pair by pair: median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
PYTHON
