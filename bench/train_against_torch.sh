#!/usr/bin/env bash
# Training speed and memory of issun and of PyTorch, one after the other in turns (A B A B), on the same
# shape, batch and threads. Prints a line of JSON for each run, then medians and their ratios.
#
# usage: bench/train_against_torch.sh CONFIG DATA [steps] [threads] [turns] [options of train_torch.py...]
# DATA: texts that give the vocabulary and enough tokens for all steps. ISSUN: the program (default
# build/release/bin/issun). TORCH_PYTHON: a Python that has torch (default python3).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 2 ]; then sed -n '5,7s/^# //p' "$0" >&2; exit 2; fi
config=$1 data=$2 steps=${3:-6} threads=${4:-$(nproc)} turns=${5:-3}
shift $(($# < 5 ? $# : 5))
issun=${ISSUN:-build/release/bin/issun}
python=${TORCH_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {  # train UNTIL: goes on to that step; what is measured begins with a warmed file cache
  "$issun" pretrain --config "$config" --data "$data" --out "$work/run" --threads "$threads" \
    --until "$1" --json 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
}

# The tokenizer and the tokens are made once, in a process of its own whose memory does not count.
train 1 >"$work/first.json"
for turn in $(seq "$turns"); do
  train $((1 + turn * steps)) | tee -a "$work/issun.jsonl"
  "$python" bench/train_torch.py "$config" --steps "$steps" --threads "$threads" "$@" |
    tee -a "$work/torch.jsonl"
done

"$python" - "$work/issun.jsonl" "$work/torch.jsonl" <<'PYTHON'
import json
import statistics
import sys

figures = {}
for name, path in zip(("issun", "torch"), sys.argv[1:]):
    with open(path, encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines]
    figures[name] = [statistics.median(run[key] for run in runs)
                     for key in ("tokens_per_second_median", "peak_rss_bytes")]
    print(f"{name}: {figures[name][0]:.0f} tokens/s, {figures[name][1] / 2**20:.0f} MiB")
(speed, memory), (their_speed, their_memory) = figures["issun"], figures["torch"]
print(f"issun / torch: speed {speed / their_speed:.2f}, memory {memory / their_memory:.2f}")
PYTHON
