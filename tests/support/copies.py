"""Copies an index while a writer works on it, and looks whether each copy is whole.

    python -m tests.support.copies [--copies 60]

Copied with `cp -r`, and with `rsync -r` where there is one: neither keeps times. Every copy is examined and searched.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from tests.support.made_texts import texts

_FILES = 300
_TOOLS = [tool for tool in (["cp", "-r"], ["rsync", "-r"]) if shutil.which(tool[0])]


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "semsearch", *arguments], capture_output=True, text=True)


def _write(folder: Path, index: str, chance: random.Random, stop: threading.Event, outcomes: Counter[str]) -> None:
    """A run after another, each with files that are new and files that are gone."""
    number = 1
    while not stop.is_set():
        number += 1
        for name, text in texts(40, number).items():
            (folder / name).write_text(text)
        for path in chance.sample(sorted(folder.iterdir()), 40):
            path.unlink()
        done = command("index", "-i", index, "--prune", "-q")
        outcomes["run" if done.returncode == 0 else f"a run failed: {done.stderr[-200:]}"] += 1


def run(count: int, seed: int) -> Counter[str]:
    """outcome -> how often, of `count` copies and of the runs meanwhile; `good` and `run` are as they should be."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="semsearch-copies-") as base:
        folder, index, copy = Path(base) / "docs", f"{base}/index", f"{base}/copy"
        folder.mkdir()
        for name, text in texts(_FILES, 1).items():
            (folder / name).write_text(text)
        made = command("index", str(folder), "-i", index, "--model", "static")
        assert made.returncode == 0, made.stderr
        stop = threading.Event()
        writer = threading.Thread(target=_write, args=(folder, index, chance, stop, outcomes))
        writer.start()
        try:
            for number in range(count):
                stop.wait(chance.random() * 0.5)
                shutil.rmtree(copy, ignore_errors=True)
                tool = _TOOLS[number % len(_TOOLS)]
                # A file that the writer removes meanwhile is named, and the rest copied.
                subprocess.run([*tool, index + "/", copy], capture_output=True)
                examined, found = command("verify", "-i", copy), command("search", "the boat", "-i", copy)
                good = examined.returncode == 0 and found.returncode == 0
                outcomes["good" if good else f"{tool[0]}: {examined.stdout}{examined.stderr}{found.stderr}"] += 1
        finally:
            stop.set()
            writer.join()
    return outcomes


def failures(outcomes: Counter[str]) -> Counter[str]:
    return Counter({outcome: count for outcome, count in outcomes.items() if outcome not in ("good", "run")})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    outcomes = run(chosen.copies, chosen.seed)
    for outcome, count in outcomes.most_common():
        print(f"{count:>8} {outcome}", flush=True)
    failed = sum(failures(outcomes).values())
    print(f"{chosen.copies} copies beside a writer, {failed} failures")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
