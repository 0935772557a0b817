#!/bin/sh
# The models of models/, from texts to files, on a CPU: corpus, talks, pretraining, tuning, mean. Each step
# is left out where its result is there, and training goes on where it was stopped. Training takes
# about two hours a model on two cores; README.md beside this says how a GPU does more.
set -eu

usage() {
  echo "usage: tools/make_models.sh SOURCES OUT [MODEL]" >&2
  echo "  SOURCES  folder of checkouts named owner+name, as tools/corpus.py lists them" >&2
  echo "  OUT      folder for everything that is made" >&2
  echo "  MODEL    issun-27m (default) or issun-moe-38m" >&2
  exit 2
}
[ $# -ge 2 ] && [ $# -le 3 ] || usage
sources=$1 out=$2 model=${3:-issun-27m}
here=$(cd "$(dirname "$0")" && pwd)
issun=${ISSUN:-$here/../build/release/bin/issun}
config=$here/../models/$model.json
[ -e "$config" ] || usage
python=${PYTHON:-python3}

mkdir -p "$out"
[ -e "$out/corpus/sources.json" ] || "$python" "$here/corpus.py" --sources "$sources" --out "$out/corpus"
[ -d "$out/streams" ] || "$python" "$here/streams.py" --corpus "$out/corpus" --out "$out/streams"
[ -e "$out/talks.jsonl" ] || "$python" "$here/instructions.py" --corpus "$out/corpus" --out "$out/talks.jsonl" \
  --talks 60000 --drill-share 0.8 --longest 2600
[ -e "$out/pieces.jsonl" ] || "$python" "$here/text_pieces.py" --streams "$out/streams" --out "$out/pieces.jsonl" \
  --megabytes en=8.5,ja=11.5,docs=3
"$issun" pretrain --config "$config" --out "$out/$model" \
  --data "$out/streams/en.jsonl" "$out/streams/ja.jsonl" "$out/streams/docs.jsonl"
"$issun" tune "$out/$model/model.gguf" "$out/talks.jsonl" "$out/pieces.jsonl" --full --qat --type q4_0 \
  --chat-template-file "$here/../models/chatml.jinja" --out "$out/$model-talks" --sequence 1024 --batch 4 \
  --accumulate 1 --epochs 1 --learning-rate 3e-4 --schedule cosine --warmup 30 --long-talks skip
"$python" "$here/average_models.py" "$out/$model/model.gguf" "$out/$model-talks/model.gguf" --share 0.85 \
  --out "$out/$model.gguf"
echo "$out/$model.gguf"
