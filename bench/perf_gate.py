#!/usr/bin/env python3
"""Is this commit as fast as that one? Builds both and runs them in turn on this machine.

    bench/perf_gate.py BASE [COMMIT] [--types Q4_K_M,Q8_0] [--least 0.95]

COMMIT is HEAD unless given. Each commit is checked out beside this checkout, built with the release
preset and kept in --builds, so that the next run builds what is new alone. Files are those of
`issun synth`. The status is 1 where a median ratio is below --least; a ratio between them is noise
on most shared machines, so look at the spread before you believe one.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("base", help="the commit to compare with")
    p.add_argument("commit", nargs="?", default="HEAD")
    p.add_argument("--shape", default="llama-3.2-1b", help="of the models, as `issun synth` names it")
    p.add_argument("--types", default="Q4_K_M,Q8_0", help="their types, with commas between")
    p.add_argument("--prompt", type=int, default=512, help="tokens that are read")
    p.add_argument("--generate", type=int, default=64, help="tokens that are written")
    p.add_argument("--threads", type=int, default=0, help="0: one for each core")
    p.add_argument("--rounds", type=int, default=5, help="runs of each program")
    p.add_argument("--least", type=float, default=0.95, help="ratio of medians that passes")
    p.add_argument("--builds", type=pathlib.Path, default=ROOT / "build" / "perf_gate")
    return p.parse_args()


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def commit_of(name):
    found = subprocess.run(["git", "rev-parse", "--verify", "--quiet", name + "^{commit}"], cwd=ROOT,
                           capture_output=True, text=True)
    if found.returncode != 0:
        sys.exit(f"perf_gate.py: {name}: expected a commit of this repository")
    return found.stdout.strip()


def program(commit, builds):
    """The program of a commit, built unless it is there."""
    tree = builds / commit[:12]
    binary = tree / "build" / "release" / "bin" / "issun"
    if not binary.exists():
        builds.mkdir(parents=True, exist_ok=True)
        if not tree.exists():
            run("git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, tree)
        run("git", "checkout", "--quiet", "--detach", commit, cwd=tree)
        run("cmake", "--preset", "release", cwd=tree, stdout=subprocess.DEVNULL)
        run("cmake", "--build", "--preset", "release", "--target", "issun", cwd=tree)
    return binary


def main():
    args = arguments()
    base, commit = commit_of(args.base), commit_of(args.commit)
    old, new = program(base, args.builds), program(commit, args.builds)
    slow = 0
    print(f"{commit[:12]} against {base[:12]}")
    for kind in args.types.split(","):
        model = args.builds / f"{args.shape}.{kind}.gguf"
        if not model.exists():
            unfinished = model.with_suffix(".part")
            run(new, "synth", args.shape, kind, unfinished, stdout=subprocess.DEVNULL)
            unfinished.rename(model)
        found = run(new, "bench", model, "-p", args.prompt, "-n", args.generate, "-t", args.threads,
                    "-r", args.rounds, "--against", old, "--json", stdout=subprocess.PIPE, text=True)
        for line in found.stdout.splitlines():
            test = json.loads(line)
            passed = test["ratio_of_medians"] >= args.least
            slow += not passed
            print(f"{kind:8} {test['test']:8} {test['ratio_of_medians']:.3f} "
                  f"({test['least_ratio']:.3f} to {test['greatest_ratio']:.3f})"
                  f"{'' if passed else '  slower'}", flush=True)
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
