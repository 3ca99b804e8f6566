#!/usr/bin/env bash
# Training steps of wgvae and of its peers, in turn, on this machine: images per second, ratios, peak memory.
#
#   benches/compare.sh [rounds]        3 rounds
#
#   PYTHON=python3        a Python with torch; on a machine with CUDA, PyTorch runs there too (TF32, then bf16)
#   SIZES="64:16 128:8 256:4"          pixels:batch
#   STEPS=8               counted steps of a run
#   PEERS="pytorch burn tinygrad"      which peers, if they are there (default: pytorch burn)
#   BURN_BATCH=2          another batch for burn: on a software adapter it tunes batch 16 for minutes
#   BURN_STEPS=2 BURN_SECONDS=900      burn tunes anew in every run, so it runs once per size and is given up on
#   TINYGRAD=python3      a Python with tinygrad, its environment set as benches/peers/tinygrad_vae.py says
#
# By hand only, and on quiet cores: a second job slows PyTorch down far more than it slows a GPU. burn takes half an
# hour to compile on two cores, PyTorch is a download of gigabytes.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
steps=${STEPS:-8}
peers=" ${PEERS:-pytorch burn} "
python=${PYTHON:-python3}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

say() { printf '%s\n' "$*" >&2; }
wants() { case $peers in *" $1 "*) return 0 ;; *) return 1 ;; esac }

# Appends one line of JSON, marked with who wrote it and for which size; or says why there is none.
keep() {
    local who=$1 size=$2 line
    shift 2
    if line=$("$@" 2>"$results.err") && [ -n "$line" ]; then
        printf '{"who": "%s", "pixels": %s, "figures": %s}\n' "$who" "$size" "$(printf '%s\n' "$line" | tail -n 1)" >>"$results"
    else
        say "  $who gave no result: $(tail -n 1 "$results.err")"
    fi
    rm -f "$results.err"
}

cargo build --release --quiet
program=${CARGO_TARGET_DIR:-target}/release/wgvae
if wants burn; then
    (cd benches/peers/burn && cargo build --release --quiet)
    burn=${CARGO_TARGET_DIR:-benches/peers/burn/target}/release/burn-peer
fi
cuda=$("$python" -c 'import torch; print(int(torch.cuda.is_available()))' 2>/dev/null || echo 0)

for pair in ${SIZES:-64:16 128:8 256:4}; do
    size=${pair%:*} batch=${pair#*:}
    model=(--size "$size" --hidden "${HIDDEN:-64}" --latent "${LATENT:-128}")
    # an uncounted run fills the driver's cache of compiled kernels
    "$program" bench "${model[@]}" --batch-size "$batch" --steps 1 >/dev/null
    for round in $(seq "$rounds"); do
        say "$size px, batch $batch: round $round of $rounds"
        keep wgvae "$size" "$program" bench "${model[@]}" --batch-size "$batch" --steps "$steps" --json
        if wants pytorch; then
            torch=("$python" benches/peers/pytorch_vae.py --bench "${model[@]}" --batch "$batch" --steps "$steps")
            keep pytorch "$size" "${torch[@]}"
            if [ "$cuda" = 1 ]; then
                keep pytorch-cuda "$size" "${torch[@]}" --device cuda
                keep pytorch-cuda-bf16 "$size" "${torch[@]}" --device cuda --bf16
            fi
        fi
    done
    if wants burn; then
        say "$size px: burn"
        keep burn "$size" timeout "${BURN_SECONDS:-900}" "$burn" "${model[@]}" \
            --batch "${BURN_BATCH:-$batch}" --steps "${BURN_STEPS:-2}"
    fi
    if wants tinygrad; then
        say "$size px: tinygrad"
        keep tinygrad "$size" timeout "${BURN_SECONDS:-900}" "${TINYGRAD:-python3}" benches/peers/tinygrad_vae.py \
            "${model[@]}" --batch "$batch" --steps "${BURN_STEPS:-2}"
    fi
done

"$python" benches/table.py "$results"
