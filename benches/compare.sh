#!/usr/bin/env bash
# Compares training steps of wgvae and its peers, alternating on this machine: images per second, ratios, peak memory.
#
#   benches/compare.sh [rounds]        3 rounds
#
#   PYTHON=python3        a Python with torch; on a machine with CUDA, PyTorch runs there too (TF32, then bf16)
#   SIZES="64:16 128:8 256:4"          pixels:batch
#   STEPS=8               counted steps of a run
#   ALSO="LP_NATIVE_VECTOR_WIDTH=512"  an additional run of wgvae in each round, with these variables
#   PEERS="pytorch burn tinygrad"      peers to run, if installed (default: pytorch burn)
#   BURN_BATCH=2          another batch for burn: on a software adapter it tunes batch 16 for minutes
#   BURN_STEPS=2 BURN_SECONDS=900      counted steps of burn and tinygrad, and a time limit for them: they compile and
#                         tune for minutes, so they are started once per size and paused between rounds
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
patience=${BURN_SECONDS:-900}
folder=$(mktemp -d)
results=$folder/results
read -ra also <<<"${ALSO:-}"
declare -A asks answers pids # for peers that are kept running, below
trap 'kill -KILL "${pids[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

say() { printf '%s\n' "$*" >&2; }
wants() { case $peers in *" $1 "*) return 0 ;; *) return 1 ;; esac }

# Appends one line of JSON with the program's name and the size; on failure reports the reason.
keep() {
    local who=$1 size=$2 line
    shift 2
    if line=$("$@" 2>>"$folder/${who%% *}.err") && [ -n "$line" ]; then
        printf '{"who": "%s", "pixels": %s, "figures": %s}\n' "$who" "$size" "$(printf '%s\n' "$line" | tail -n 1)" >>"$results"
    else
        say "  $who gave no result: $(tail -n 1 "$folder/${who%% *}.err")"
    fi
}

# Starts a peer that takes minutes to start: it times a round for every input line. Between rounds it is stopped, because
# burn uses CPU time even when idle.
start() {
    local who=$1 fd
    shift
    rm -f "$folder/$who".*
    mkfifo "$folder/$who.asks" "$folder/$who.answers"
    (
        # close the pipes of other peers, which otherwise would not see them closed
        for fd in "${asks[@]}" "${answers[@]}"; do
            exec {fd}>&-
        done
        exec "$@"
    ) <"$folder/$who.asks" >"$folder/$who.answers" 2>"$folder/$who.err" &
    pids[$who]=$!
    exec {fd}>"$folder/$who.asks"
    asks[$who]=$fd
    exec {fd}<"$folder/$who.answers"
    answers[$who]=$fd
    say "$who starts, which may take minutes"
    hear "$who" >/dev/null
}

ask() { kill -CONT "${pids[$1]}" 2>/dev/null && echo >&"${asks[$1]}" && hear "$1"; }

# Reads an answer, a line of JSON; a peer without an answer in time is skipped.
hear() {
    local answer status=0
    until [[ ${answer:-} == "{"* ]] || [ "$status" != 0 ]; do
        read -r -t "$patience" answer <&"${answers[$1]}" || status=$?
    done
    if [ "$status" = 0 ]; then
        kill -STOP "${pids[$1]}" 2>/dev/null || true
        printf '%s\n' "$answer"
    elif [ "$status" -gt 128 ]; then
        kill -KILL "${pids[$1]}" 2>/dev/null || true
        echo "nothing within $patience s" >>"$folder/$1.err"
    fi
}

stop() {
    local fd
    kill -CONT "${pids[$1]}" 2>/dev/null || true
    for fd in "${asks[$1]}" "${answers[$1]}"; do
        exec {fd}>&-
    done
    for _ in $(seq 20); do
        kill -0 "${pids[$1]}" 2>/dev/null || break
        sleep 0.5
    done
    kill -KILL "${pids[$1]}" 2>/dev/null || true
    wait "${pids[$1]}" || true
    unset "pids[$1]" "asks[$1]" "answers[$1]"
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
    slow=()
    if wants burn; then
        slow+=(burn)
        start burn "$burn" "${model[@]}" --batch "${BURN_BATCH:-$batch}" --steps "${BURN_STEPS:-2}" --rounds "$rounds"
    fi
    if wants tinygrad; then
        slow+=(tinygrad)
        start tinygrad "${TINYGRAD:-python3}" benches/peers/tinygrad_vae.py "${model[@]}" --batch "$batch" \
            --steps "${BURN_STEPS:-2}" --rounds "$rounds"
    fi
    # an uncounted run fills the driver's cache of compiled kernels
    "$program" bench "${model[@]}" --batch-size "$batch" --steps 1 >/dev/null
    if [ "${#also[@]}" != 0 ]; then
        env "${also[@]}" "$program" bench "${model[@]}" --batch-size "$batch" --steps 1 >/dev/null
    fi
    for round in $(seq "$rounds"); do
        say "$size px, batch $batch: round $round of $rounds"
        keep wgvae "$size" "$program" bench "${model[@]}" --batch-size "$batch" --steps "$steps" --json
        if [ "${#also[@]}" != 0 ]; then
            keep "wgvae with ${also[*]}" "$size" env "${also[@]}" "$program" bench "${model[@]}" --batch-size "$batch" \
                --steps "$steps" --json
        fi
        if wants pytorch; then
            torch=("$python" benches/peers/pytorch_vae.py --bench "${model[@]}" --batch "$batch" --steps "$steps")
            keep pytorch "$size" "${torch[@]}"
            if [ "$cuda" = 1 ]; then
                keep pytorch-cuda "$size" "${torch[@]}" --device cuda
                keep pytorch-cuda-bf16 "$size" "${torch[@]}" --device cuda --bf16
            fi
        fi
        for peer in "${slow[@]}"; do
            keep "$peer" "$size" ask "$peer"
        done
    done
    for peer in "${slow[@]}"; do
        stop "$peer"
    done
done

"$python" benches/table.py "$results"
