#!/usr/bin/env python3
"""Trains a small language model with OPT-350m's topology on SQuAD text with answers.

    python3 experiments/train_standin.py --squad dev-v1.1.json --out standin --minutes 60
    python3 experiments/train_standin.py --squad dev-v1.1.json --out standin-full --minutes 20 --full

Needs torch >= 2.0, tokenizers and safetensors. Leaves a Hugging Face OPT folder (`dilemma import` reads it)
with checkpoint.pt beside; started again with the same --out it goes on from there. --full is OPT-350m's exact
shape, for a GPU. The learning rate follows the time spent, so that the schedule fits the machine. Training
begins with a quarter of the layers, whose steps cost a quarter, and doubles them twice (--grow-at).
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import standin_data as data
from standin_model import StandIn, opt_config

SMALL = dict(embed=512, width=256, layers=24, heads=4, ffn=512, positions=1024)
FULL = dict(embed=512, width=1024, layers=24, heads=16, ffn=4096, positions=2048)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(__file__).resolve().parents[1].parent / "shared/data/squad-v1.1-dev-open.json"
    parser.add_argument("--squad", type=Path, default=shared, help="SQuAD v1.1 JSON (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--minutes", type=float, default=60, help="wall time of training, over all runs")
    parser.add_argument("--full", action="store_true", help="OPT-350m's exact dimensions (a GPU)")
    parser.add_argument("--vocab", type=int, default=3072, help="size of the tokenizer (default %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="windows a step (default %(default)s)")
    parser.add_argument("--length", type=int, default=512, help="tokens a window (default %(default)s)")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate (default %(default)s)")
    parser.add_argument("--grow-at", type=float, nargs=2, default=(0.4, 0.65), metavar="SHARE",
                        help="shares of the time after which the layers are doubled; 0 0 starts with all")
    parser.add_argument("--warmup", type=int, default=60, help="steps of warm-up (default %(default)s)")
    parser.add_argument("--hold-out", type=int, default=6, help="every n-th article is held out")
    parser.add_argument("--answer-weight", type=float, default=3, help="of the answers' tokens in the loss")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def loss_of(model, batch, device):
    """(mean weighted loss, mean plain loss) in nats a token."""
    ids, targets, weights = (t.to(device) for t in batch)
    with torch.autocast(device, dtype=torch.bfloat16):
        logits = model(ids)
    each = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return (each * weights.flatten()).sum() / weights.sum(), each.mean()


@torch.no_grad()
def evaluate(model, windows, device, batches=4):
    it = windows.batches(seed=0, size=8)
    return sum(loss_of(model, next(it), device)[1].item() for _ in range(batches)) / batches


def rate_at(args, steps, spent):
    """Warm-up over `steps` since the optimizer began, and a cosine over the time."""
    return args.rate * min(1, (steps + 1) / args.warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1, spent))))


def optimizer_of(model, device):
    decay = [p for p in model.parameters() if p.dim() > 1]
    other = [p for p in model.parameters() if p.dim() <= 1]
    return torch.optim.AdamW([dict(params=decay, weight_decay=0.05), dict(params=other, weight_decay=0)],
                             betas=(0.9, 0.98), fused=device == "cuda")


def layers_at(args, layers, spent):
    """How many layers the model has after that share of the time."""
    return layers // 2 ** sum(spent < share for share in args.grow_at)


def save(path, model, optimizer, run):
    part = path.with_suffix(".part")
    torch.save(dict(model=model.state_dict(), optimizer=optimizer.state_dict(), run=run), part)
    os.replace(part, path)


def main():
    args = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    train, held = data.split(data.load_squad(args.squad), args.hold_out)
    tokenizer = data.train_tokenizer(train, args.vocab)
    data.save_tokenizer(tokenizer, args.out)
    windows, unseen = (data.Windows(part, tokenizer, args.length, args.answer_weight) for part in (train, held))
    config = opt_config(tokenizer.get_vocab_size(), **(FULL if args.full else SMALL))
    layers, checkpoint = config["num_hidden_layers"], args.out / "checkpoint.pt"
    state = torch.load(checkpoint, map_location=device) if checkpoint.exists() else None
    run = state["run"] if state else dict(step=0, born=0, seconds=0.0, log=[], layers=layers_at(args, layers, 0))
    model = StandIn(config, run["layers"]).to(device)
    optimizer = optimizer_of(model, device)
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    print(f"{run['layers']} of {layers} layers, {device}, held out: {', '.join(t for t, _ in held)}", flush=True)
    batches = windows.batches(args.seed + run["step"], args.batch)
    before, start = run["seconds"], time.monotonic()
    saved, mean = start, None
    while run["seconds"] < args.minutes * 60:
        spent = run["seconds"] / (args.minutes * 60)
        while len(model.layers) < layers_at(args, layers, spent):
            model.grow()
            optimizer = optimizer_of(model, device)
            run.update(layers=len(model.layers), born=run["step"])
            print(f"grown to {run['layers']} layers", flush=True)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(args, run["step"] - run["born"], spent)
        weighted, plain = loss_of(model, next(batches), device)
        weighted.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean = plain.item() if mean is None else 0.95 * mean + 0.05 * plain.item()
        run.update(step=run["step"] + 1, seconds=before + time.monotonic() - start)
        if run["step"] % 10 == 0:
            print(f"step {run['step']}  {run['seconds'] / 60:.1f} min  loss {mean:.3f}  gradient {norm:.2f}", flush=True)
        if run["step"] % 200 == 0:
            run["log"].append(dict(step=run["step"], seconds=run["seconds"], layers=run["layers"], loss=mean,
                                   held_out=evaluate(model, unseen, device)))
            print(f"  held-out loss {run['log'][-1]['held_out']:.3f}", flush=True)
        if run["step"] % 200 == 0 or time.monotonic() - saved > 120:
            save(checkpoint, model, optimizer, run)
            saved = time.monotonic()
    while len(model.layers) < layers:  # as a run that ends early leaves it
        model.grow()
    finish(args, model, optimizer, run, (windows, unseen), [title for title, _ in held], device)


def finish(args, model, optimizer, run, windows, held, device):
    """Writes the folder and training.json; says the losses on texts seen and not seen."""
    training, held_out = (evaluate(model, part, device) for part in windows)
    save(args.out / "checkpoint.pt", model, optimizer, run)
    model.save(args.out)
    options = {k: v for k, v in vars(args).items() if k not in ("out", "squad")}
    (args.out / "training.json").write_text(json.dumps(dict(
        steps=run["step"], tokens=run["step"] * args.batch * args.length, seconds=run["seconds"], training_loss=training,
        held_out_loss=held_out, held_out=held, options=options, log=run["log"]), indent=2) + "\n")
    print(f"{args.out}: step {run['step']}, training loss {training:.3f}, held-out loss {held_out:.3f}")


if __name__ == "__main__":
    main()
