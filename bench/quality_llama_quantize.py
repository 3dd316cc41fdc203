#!/usr/bin/env python3
"""What llama-quantize makes of a model at each type, plain and with an importance matrix, and how further GGUF files
compare: file bytes, types as read from the files, and the mean KL divergence from the teacher (the model widened to
F16) on text that none of them was calibrated on. All files are measured in one run, on the same windows.

  bench/quality_llama_quantize.py --text dev-v1.1.json [--second prose/] [mine.gguf ...]

Calibration text is the calibration part of --text (see `dilemma eval text`), test text its test part and, with
--second, another domain. Everything made is kept under the cache folder and used again."""
import argparse, json, os, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("DILEMMA_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "dilemma")
TYPES = ["Q5_0", "Q4_K_M", "Q3_K_M", "IQ4_NL", "Q4_0"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contenders", nargs="*", type=pathlib.Path, help="GGUF files to measure beside")
    parser.add_argument("--text", required=True, type=pathlib.Path, help="SQuAD v1.1 file: calibration and test text")
    parser.add_argument("--second", type=pathlib.Path, help="text of another domain (file or folder of *.txt)")
    parser.add_argument("--model", type=pathlib.Path, help="GGUF file (default: the one scripts/model.sh fetches)")
    parser.add_argument("--types", nargs="*", default=TYPES, help="llama-quantize types")
    parser.add_argument("--windows", type=int, default=20, help="test windows of 512 tokens")
    parser.add_argument("--chunks", type=int, default=64, help="calibration windows of 512 tokens")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="fewer where other programs use the cores")
    parser.add_argument("--dilemma", type=pathlib.Path, default=ROOT / "build/bin/dilemma")
    parser.add_argument("--only-make", action="store_true", help="make the files with an importance matrix, measure nothing")
    parser.add_argument("--out", type=pathlib.Path, help="also write all figures to this file (JSON)")
    return parser.parse_args()


def run(command, log):
    with open(log, "w") as out:
        result = subprocess.run([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        sys.exit(f"error: {command[0]} failed; see {log}")


def make(path, command):
    """Runs the command, whose last-but-fixed word {out} is the file to make, unless the file is there."""
    if not path.exists():
        print(f"making {path.name}", file=sys.stderr)
        part = path.with_suffix(".part" + path.suffix)
        run([part if word == "{out}" else word for word in command], path.with_suffix(".log"))
        part.rename(path)
    return path


def make_all(args, peers, folder):
    """The teacher, the importance matrix, and each type with it and (unless --only-make) plain."""
    model = args.model or subprocess.check_output([ROOT / "scripts/model.sh"], text=True).splitlines()[-1]
    quantize, threads = peers / "llama-quantize", args.threads
    teacher = make(folder / "teacher-f16.gguf", [quantize, "--allow-requantize", model, "{out}", "F16", threads])
    text = make(folder / "calibration.txt",
                [args.dilemma, "eval", "text", args.text, "--part", "calibration", "--out", "{out}"])
    matrix = make(folder / f"importance-{args.chunks}.gguf",
                  [peers / "llama-imatrix", "-m", teacher, "-f", text, "-o", "{out}", "-c", 512, "--chunks",
                   args.chunks, "-t", threads, "--no-ppl"])
    made = {}
    for name in args.types:
        if not args.only_make:
            made[name, "plain"] = make(folder / f"{name}.gguf", [quantize, teacher, "{out}", name, threads])
        made[name, "imatrix"] = make(folder / f"{name}-imatrix.gguf",
                                     [quantize, "--imatrix", matrix, teacher, "{out}", name, threads])
    return teacher, made


def measure(args, teacher, files, text, part):
    command = [args.dilemma, "eval", "kl", teacher, *files, "--text", text, "--part", part, "--windows", args.windows,
               "--threads", args.threads, "--json"]
    result = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit("error: the measurement failed")
    return json.loads(result.stdout)


def interval(value, digits=4):
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def report(result, made, contenders):
    by_path = {student["path"]: student for student in result["students"]}
    print(f"\n{result['windows']} windows of {result['window']} tokens of {pathlib.Path(result['text']).name} "
          f"({result['part']}); mean KL in nats [95 %]; teacher's perplexity "
          f"{result['teacher']['perplexity']['mean']:.2f}")
    print(f"{'llama-quantize':<16}{'file bytes':>12}  {'mean KL, plain':<26}{'mean KL, imatrix':<26}types")
    for name in dict.fromkeys(name for name, _ in made):
        plain, matrix = by_path[str(made[name, "plain"])], by_path[str(made[name, "imatrix"])]
        print(f"{name:<16}{matrix['file_bytes']:>12}  {interval(plain['kl']):<26}{interval(matrix['kl']):<26}"
              f"{matrix['types']}")
    if contenders:
        print(f"\n{'contender':<28}{'file bytes':>12}  {'mean KL':<26}times llama-quantize with imatrix, at no fewer bytes")
    for path in contenders:
        mine = by_path[str(path)]
        rows = [(name, by_path[str(file)]) for (name, kind), file in made.items() if kind == "imatrix"]
        ratios = [f"{name} {interval(mine['kl_ratio_to'][row['name']], 2)}" for name, row in rows
                  if mine["file_bytes"] <= row["file_bytes"]]
        print(f"{mine['name']:<28}{mine['file_bytes']:>12}  {interval(mine['kl']):<26}{', '.join(ratios) or '-'}")
        print(f"{'':<28}{mine['types']}")


def main():
    args = arguments()
    peers = pathlib.Path(subprocess.check_output([ROOT / "scripts/peers.sh"], text=True).splitlines()[-1])
    folder = CACHE / "bench" / "quality" / (args.model.stem if args.model else "default")
    folder.mkdir(parents=True, exist_ok=True)
    teacher, made = make_all(args, peers, folder)
    if args.only_make:
        return print(folder)
    files = [*made.values(), *args.contenders]
    results = [measure(args, teacher, files, args.text, "test")]
    report(results[0], made, args.contenders)
    if args.second:
        results.append(measure(args, teacher, files, args.second, "all"))
        report(results[1], made, args.contenders)
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
