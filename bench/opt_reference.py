#!/usr/bin/env python3
"""A random model of OPT-350m's or OPT-125m's exact dimensions, with what transformers computes for it.

    venv/bin/python bench/opt_reference.py --size 350m --out /some/folder     (venv: see tests/fixtures/opt_make.py)
    build/bin/opt_reference_bench /some/folder
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/fixtures"))
import opt_make

SIZES = {
    "350m": dict(vocab_size=50272, word_embed_proj_dim=512, hidden_size=1024, num_hidden_layers=24,
                 num_attention_heads=16, ffn_dim=4096, max_position_embeddings=2048, do_layer_norm_before=False),
    "125m": dict(vocab_size=50272, word_embed_proj_dim=768, hidden_size=768, num_hidden_layers=12,
                 num_attention_heads=12, ffn_dim=3072, max_position_embeddings=2048, do_layer_norm_before=True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=16, help="greedy tokens after the prompt (default %(default)s)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    opt_make.make_tokenizer(args.out)
    model = opt_make.make_model(SIZES[args.size], seed=7, dtype=torch.float32, init_std=0.02)
    model.save_pretrained(args.out, safe_serialization=True)
    prompt = [2] + torch.randint(4, 50000, (23,)).tolist()
    opt_make.reference(args.out, model, prompt, args.tokens)
    print(f"{args.out}: OPT-{args.size}, {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters")


if __name__ == "__main__":
    main()
