"""Ctrl-C, SIGTERM and SIGHUP at any moment of a command: one line or a quick death, and nothing is left behind.

    python -m tests.support.signals [--signals 2000] [--seed 1]

From the first line of the command until 1.5 seconds later, half of the signals in the first 100 ms. A
terminal sends Ctrl-C to the whole process group; the other two go to the process alone.
"""

import argparse
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.verification import verify
from tests.support.commands import hear_signals
from tests.support.folders import PROJECT
from tests.support.made_texts import texts

_SECONDS = 1.5
_EARLY_SECONDS = 0.1
_QUERY = "who paints boats near the harbour"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What the script of an installed semsearch does; it says when a module is run after signals are held back, which is
# the first thing that semsearch does. Until then Python starts, and finds the package: it answers Ctrl-C with a
# traceback of its own, which no program in it can help.
_SCRIPT = """
import os, sys
begins = int(sys.argv.pop(1))
def hook(event, arguments):
    global begins
    if begins and event == "exec" and arguments[0].co_filename.endswith("semsearch/cli/__init__.py"):
        os.write(begins, b".")
        begins = 0
sys.addaudithook(hook)
from semsearch.__main__ import main
main()
"""
# In the environment of a command and all its children.
MARK = "SEMSEARCH_TEST_SIGNALS"
# How long a process may take to end that has lost its parent.
_GONE_SECONDS = 10.0

INTERRUPTED, KILLED, FINISHED = "exit 130, one line", "ended by the signal", "finished before"
GOOD = frozenset((INTERRUPTED, KILLED, FINISHED))


@dataclass(frozen=True)
class Scenario:
    """`arguments`: of the command; INDEX stands for a copy of the index, NEW for one that is not there, FOLDER for
    documents, which the index is behind with `change`. `writes`: it writes an index, which is examined afterwards."""

    name: str
    arguments: tuple[str, ...]
    writes: bool = False
    change: bool = False


SCENARIOS = (
    Scenario("search", ("search", _QUERY, "-i", "INDEX")),
    Scenario("search --json", ("search", _QUERY, "-i", "INDEX", "--json", "--new-since", "STATE")),
    Scenario("status", ("status", "-i", "INDEX")),
    Scenario("status --files", ("status", "--files", "-i", "INDEX")),
    Scenario("verify", ("verify", "-i", "INDEX")),
    Scenario("config", ("config",)),
    Scenario("ask", ("ask", _QUERY, "-i", "INDEX")),
    Scenario("why", ("why", _QUERY, "1-1.txt", "-i", "INDEX")),
    Scenario("index, unchanged", ("index", "-i", "INDEX"), writes=True),
    Scenario("index, first run", ("index", "FOLDER", "-i", "NEW", "--model", "static"), writes=True),
    Scenario("index, changes", ("index", "-i", "INDEX"), writes=True, change=True),
    Scenario("quantize", ("quantize", "int8", "--queries", "10", "--max-loss", "90%", "-i", "INDEX"), writes=True),
    Scenario("bench speed", ("bench", "speed", "--chunks", "4", "--rounds", "2", "-i", "INDEX")),
)


class Trial:
    """The documents and the index that every try begins with, below `base`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folders = {False: base / "same", True: base / "changed"}
        self.indexes = {change: base / f"{folder.name}.index" for change, folder in self.folders.items()}
        for change, folder in self.folders.items():
            _write(folder, texts(24, 1))
            index_folders([str(folder)], str(self.indexes[change]), IndexOptions(model="static"))
        _write(self.folders[True], texts(40, 2))

    def outcome(self, number: int, scenario: Scenario, sent: signal.Signals, delay: float) -> str:
        """What came of the signal `sent`, `delay` seconds after the first line; one of `GOOD`, or what is wrong."""
        working = self.base / str(number)
        names = {"INDEX": "index", "NEW": "new", "STATE": "state"}
        places = {name: str(working / file) for name, file in names.items()}
        places["FOLDER"] = str(self.folders[scenario.change])
        (working / "tmp").mkdir(parents=True)
        shutil.copytree(self.indexes[scenario.change], places["INDEX"])
        index = places["NEW" if "NEW" in scenario.arguments else "INDEX"]
        try:
            arguments = [places.get(part, part) for part in scenario.arguments]
            found = _signalled(arguments, sent, delay, working / "tmp", f"{self.base.name}-{number}")
            return found if found not in GOOD else self._left(scenario, index, working) or found
        finally:
            shutil.rmtree(working)

    def _left(self, scenario: Scenario, index: str, working: Path) -> str:
        """What the command left behind; "" for nothing."""
        if temporary := [path.name for path in (working / "tmp").iterdir()]:
            return f"temporary files left: {temporary}"
        # Of the saved search that is written whole or not at all.
        if stale := [path.name for path in working.glob(".semsearch-*")]:
            return f"temporary files left: {stale}"
        if not scenario.writes or not os.path.exists(index):
            return ""
        lock = os.open(os.path.join(index, "lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "lock left"
        finally:
            os.close(lock)
        for part in range(2):
            if os.path.exists(os.path.join(index, "catalog.db")):
                report = verify(index, False, False, lambda message: None)
                if report.problems:
                    return f"index damaged: {report.problems[0].what}"
            if part == 0:
                folder = str(self.folders[scenario.change])
                command = [sys.executable, "-m", "semsearch", "index", folder, "-i", index, "--model", "static", "-q"]
                done = subprocess.run(command, capture_output=True, text=True, env=_environment())
                if done.returncode:
                    return f"the next run fails: {done.stderr[-200:]}"
        return ""


def _signalled(arguments: list[str], sent: signal.Signals, delay: float, temporary: Path, mark: str) -> str:
    reads, writes = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _SCRIPT, str(writes), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, pass_fds=[writes],
        env=_environment() | {MARK: mark, "TMPDIR": str(temporary)}, process_group=0,
        # A shell starts what runs in its background with this signal ignored.
        preexec_fn=hear_signals,
    )  # fmt: skip
    os.close(writes)
    assert os.read(reads, 1) == b"."
    os.close(reads)
    time.sleep(delay)
    if process.poll() is None:
        (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
    errors = process.communicate()[1]
    end = time.monotonic() + _GONE_SECONDS
    while left := marked(mark):
        if time.monotonic() > end:
            for number in left:
                os.kill(number, signal.SIGKILL)
            return "child left"
        time.sleep(0.02)
    return _judge(process.returncode, errors, sent)


def _judge(code: int, errors: str, sent: signal.Signals) -> str:
    if "Traceback" in errors or "Exception ignored" in errors:
        return f"traceback: {errors[-600:]}"
    said = [line for line in errors.splitlines() if "interrupted" in line]
    if code == 130 and len(said) == 1:
        return INTERRUPTED
    if code == -sent and sent != signal.SIGINT:
        return KILLED
    if code in (0, 1) and not said:
        return FINISHED
    return f"died otherwise: {code} {errors[-200:]}"


def marked(mark: str) -> list[int]:
    """The processes with this `mark`; on systems without /proc none is seen."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}\0".encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.time() - 3600
    for name, text in files.items():
        (folder / name).write_text(text)
        os.utime(folder / name, (stamp, stamp))


def run(
    count: int, seed: int, scenarios: tuple[Scenario, ...] = SCENARIOS, tell: Callable[[str], None] = print
) -> "Counter[tuple[str, str]]":
    """(signal, outcome) -> how often, of `count` signals to `scenarios` by turns, as many at a time as there are cores.

    `tell` hears of every outcome that is not one of `GOOD`.
    """
    chance = random.Random(seed)
    outcomes: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="semsearch-signals-") as base:
        trial = Trial(Path(base))

        def try_one(planned: tuple[int, Scenario, signal.Signals, float]) -> tuple[str, str]:
            number, scenario, sent, delay = planned
            outcome = trial.outcome(number, scenario, sent, delay)
            if outcome not in GOOD:
                tell(f"    {scenario.name}, {sent.name} after {delay * 1000:.1f} ms: {outcome}")
            return sent.name, outcome

        planned = [
            (
                number,
                scenarios[number % len(scenarios)],
                chance.choice(_SIGNALS),
                chance.uniform(0, chance.choice((_EARLY_SECONDS, _SECONDS))),
            )
            for number in range(count)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as several:
            outcomes.update(several.map(try_one, planned))
    return outcomes


def failures(outcomes: "Counter[tuple[str, str]]") -> "Counter[tuple[str, str]]":
    """Those of `outcomes` that are not as they should be."""
    return Counter({key: count for key, count in outcomes.items() if key[1] not in GOOD})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    outcomes = run(chosen.signals, chosen.seed, tell=lambda line: print(line, flush=True))
    kinds = sorted({outcome.partition(":")[0] for _, outcome in outcomes}, key=lambda kind: (kind not in GOOD, kind))
    print(f"{'':<10}" + "".join(f"{kind:>22}" for kind in kinds))
    for sent in _SIGNALS:
        counts = [sum(n for (name, how), n in outcomes.items() if name == sent.name and how.startswith(kind))
                  for kind in kinds]  # fmt: skip
        print(f"{sent.name:<10}" + "".join(f"{count:>22,}" for count in counts))
    print(f"{outcomes.total()} signals, {failures(outcomes).total()} failures")


if __name__ == "__main__":
    main()
