"""Seconds and megabytes written of a run of `index`, by what changed, with 40,000 files and the static model.

    python -m benchmarks.unattended_cost [--files 40000] [--folder FOLDER]

FOLDER is made if it does not exist, and kept; without it a temporary one is used.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cold_start import WALK
from benchmarks.timing import alternate, table, turn_caches_off

_FILES_A_FOLDER = 200
_WORDS = [
    first + second
    for first in ("gar", "mil", "tor", "ven", "lus", "pon", "rek", "sab", "dul", "nim", "fos", "hex", "jor", "kal")
    for second in ("den", "let", "mak", "rin", "sol", "tum", "var", "wex", "yat", "zon", "bri", "cle", "dro", "fli")
]  # fmt: skip


def make_folder(folder: Path, files: int) -> None:
    """`files` text files of some hundred words, in folders of 200, dated an hour back."""
    chance = random.Random(1)
    stamp = time.time() - 3600
    for number in range(files):
        path = folder / f"{number // _FILES_A_FOLDER:04}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(_paragraph(chance) for _ in range(chance.randint(4, 10))) + "\n")
        os.utime(path, (stamp, stamp))


def _paragraph(chance: random.Random) -> str:
    return " ".join(
        " ".join(chance.choices(_WORDS, k=chance.randint(6, 14))).capitalize() + "."
        for _ in range(chance.randint(4, 9))
    )


def run_index(index: Path, *flags: str) -> tuple[float, float, str]:
    """(seconds, megabytes written to the disk, last line printed) of one run."""
    command = [sys.executable, "-m", "semsearch", "index", "-i", str(index), *flags]
    clock = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # WNOWAIT keeps its counters readable
        seconds = time.perf_counter() - clock
        counters = dict(line.split(": ") for line in Path(f"/proc/{process.pid}/io").read_text().splitlines())
        output, _ = process.communicate()
    assert process.returncode == 0, output
    return seconds, int(counters["write_bytes"]) / 1e6, output.strip().splitlines()[-1]


def measure(base: Path, files: int, rounds: int) -> None:
    """Builds folder and index in `base` unless they are there, and prints the table."""
    folder, index = base / "folder", base / "index"
    if not folder.exists():
        make_folder(folder, files)
    if not index.exists():
        seconds, written, summary = run_index(index, str(folder), "--model", "static")
        print(f"first run: {seconds:.0f} s, {written:.0f} MB written: {summary}", flush=True)
    run_index(index)  # the files of the last measurement
    time.sleep(3)
    bare = [sys.executable, "-c", WALK, str(folder)]
    nothing = [sys.executable, "-m", "semsearch", "index", "-i", str(index)]
    times = alternate({"walk + stat": bare, "index, nothing changed": nothing}, rounds)
    print(table(times, "walk + stat"), flush=True)
    names = sorted(folder.rglob("*.txt"))
    chance = random.Random(time.time_ns())
    print(f"{'changed':<16}{'seconds':>9}{'more than nothing':>19}{'MB written':>12}", flush=True)
    for what, change in CHANGES.items():
        seconds, written = [], []
        for _ in range(5 if what == "one file" else 2):
            run_index(index)  # reads files again that were modified within two seconds before the last run
            change(folder, names, chance)
            took, megabytes, summary = run_index(index)
            seconds.append(took)
            written.append(megabytes)
            names = sorted(folder.rglob("*.txt"))
        more = statistics.median(seconds) - times["index, nothing changed"]
        middle, megabytes = statistics.median(seconds), statistics.median(written)
        print(f"{what:<16}{middle:>9.2f}{more:>17.2f} s{megabytes:>12.2f}  {summary}", flush=True)


def _change_one(folder: Path, names: list[Path], chance: random.Random) -> None:
    path = chance.choice(names)
    path.write_text(path.read_text() + "\n" + _paragraph(chance) + "\n")


def _rename(folder: Path, names: list[Path], chance: random.Random) -> None:
    for path in chance.sample(names, min(100, len(names) // 4)):
        path.rename(path.with_stem(f"r{chance.randrange(10**9)}"))


def _delete(folder: Path, names: list[Path], chance: random.Random) -> None:
    for path in chance.sample(names, min(1000, len(names) // 4)):
        path.unlink()


CHANGES = {"one file": _change_one, "100 renamed": _rename, "1,000 deleted": _delete}


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=40_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = chosen.folder or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        measure(base, chosen.files, chosen.rounds)


if __name__ == "__main__":
    main()
