"""Kills at every point of a run, and at random moments. After each: is the index whole, does it answer as at the last
commit, and does the next run end as one that nobody killed?

    python -m tests.support.kills [--kills 300] [--seed 1]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from semsearch.errors import SemsearchError
from semsearch.maintenance.verification import verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support import forked
from tests.support.found import Found
from tests.support.made_texts import texts

# No run has so many points: it is killed by the clock.
_NO_POINT = "1000000000"
QUERIES = ("who paints boats near the harbour", "bread at the market", "horses in winter", "a letter hidden")


@dataclass(frozen=True)
class Scenario:
    """`before`: arguments of the runs that make the first index; `arguments`: of the run that is killed."""

    name: str
    before: tuple[tuple[str, ...], ...]
    change: bool
    arguments: tuple[str, ...]


_FIRST = ("index", "FOLDER", "--model", "static", "-q")
SCENARIOS = (
    Scenario("first run", (), False, _FIRST),
    Scenario("changes", (_FIRST,), True, ("index", "-q", "--prune")),
    Scenario("rebuild", (_FIRST,), True, ("index", "-q", "--rebuild", "--prune")),
    Scenario("merge", (_FIRST,) * 8, True, ("index", "-q", "--prune")),
    Scenario("quantize", (_FIRST,), False, ("quantize", "int8", "--queries", "10", "--max-loss", "90%", "--json")),
)


def answers(index: Path | str, queries: Sequence[str] = QUERIES) -> Found:
    """What searches find, without ids."""
    found = Found()
    with Searcher(str(index)) as searcher:
        for query in queries:
            for mode in ("lexical", "dense"):
                try:
                    result = searcher.search(query, SearchOptions(mode=mode, k=5, fold=False, min_score=0))
                except SemsearchError as error:
                    assert error.code == "no_vectors", error
                    found.append([])
                    continue
                found.append([(hit.path, hit.text, hit.score) for hit in result.hits])
    return found


class Trial:
    """One scenario: the index before, the states its run commits, and what it ends with."""

    queries: Sequence[str] = QUERIES

    def __init__(self, scenario: Scenario, base: Path, seed: int) -> None:
        self.scenario = scenario
        self.base = base
        self.folder = base / "folder"
        self.chance = random.Random(seed)
        _write(self.folder, texts(24, 1))
        for number, arguments in enumerate(scenario.before):
            if number:
                _write(self.folder, texts(2, 10 + number))
            self._run("-m", "semsearch", *self._complete(arguments, base / "start"))
        if scenario.change:
            _write(self.folder, {name: text + " It was changed." for name, text in list(texts(24, 1).items())[:6]})
            _write(self.folder, texts(6, 2))
            for number in (8, 9, 10):
                (self.folder / f"1-{number}.txt").unlink()
            (self.folder / "1-12.txt").rename(self.folder / "renamed.txt")
        self.states = self._states()
        self.end = self.answers(base / "whole")
        started = time.perf_counter()
        self._run("-m", "semsearch", *self._arguments(base / "timed"))
        self.seconds = time.perf_counter() - started

    def answers(self, index: Path) -> Found:
        return answers(index, self.queries)

    def _states(self) -> list[Found]:
        """What is found before the run, and after each of its commits."""
        counting = ["-m", "tests.support.crash_points", "0", str(self.base / "copies")]
        done = self._run(*counting, *self._arguments(self.base / "whole"))
        self.points = int(done.stdout.split()[-1])
        before = [self.answers(self.base / "start")] if self.scenario.before else []
        return [*before, *map(self.answers, sorted((self.base / "copies").iterdir(), key=lambda path: int(path.name)))]

    def _complete(self, arguments: tuple[str, ...], index: Path) -> list[str]:
        return [*(str(self.folder) if part == "FOLDER" else part for part in arguments), "-i", str(index)]

    def _arguments(self, index: Path) -> list[str]:
        """The arguments of the run, on a fresh copy of the index it starts from."""
        shutil.rmtree(index, ignore_errors=True)
        if self.scenario.before:
            shutil.copytree(self.base / "start", index)
        return self._complete(self.scenario.arguments, index)

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
        return done

    def kill_at(self, point: int, process: int = 0) -> str:
        """What came of a kill at `point`; "" when all is well. `process`: of those that work at the same time."""
        index = self.base / f"killed{process}"
        arguments = self._arguments(index)
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.crash_points", str(point), "-", *arguments],
            capture_output=True,
            text=True,
        )
        if done.returncode != -signal.SIGKILL:
            return f"it was not killed: {done.returncode} {done.stderr[-300:]}"
        return self._judge(index)

    def kill_after(self, share: float, process: int = 0) -> str:
        """What came of a kill after this share of the time a run takes."""
        index = self.base / f"killed{process}"
        arguments = self._arguments(index)
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_points", _NO_POINT, "-", *arguments],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(self.seconds * share)
        running.kill()
        running.wait()
        return self._judge(index)

    def _judge(self, index: Path) -> str:
        if (index / "catalog.db").exists():
            report = verify(str(index), False, False, lambda message: None)
            if report.problems:
                return f"damaged: {report.problems}"
            try:
                # Before the first commit there is an index without documents.
                if report.chunks and self.answers(index) not in self.states:
                    return "it answers as at no commit"
            except Exception as error:
                return f"it does not answer: {error}"
        done = subprocess.run(
            [sys.executable, "-m", "semsearch", *self._complete(self.scenario.arguments, index)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return f"the next run fails: {done.stderr[-300:]}"
        if self.answers(index) != self.end:
            return "the next run ends otherwise"
        report = verify(str(index), False, False, lambda message: None)
        return f"damaged after the next run: {report.problems} {report.notices}" if report.problems else ""


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.time() - 3600
    for name, text in files.items():
        (folder / name).write_text(text)
        os.utime(folder / name, (stamp + len(text), stamp + len(text)))


def _kill(trial: Trial, points: list[int], shares: list[float], process: int, task: int) -> str:
    if task < len(points):
        return trial.kill_at(points[task], process)
    return trial.kill_after(shares[task - len(points)], process)


def run(kills: int, seed: int, scenarios: tuple[Scenario, ...] = SCENARIOS) -> Counter[str]:
    """outcome -> how often, of about `kills` kills: two in three at points spread over each run, the others in time."""
    outcomes: Counter[str] = Counter()
    for scenario in scenarios:
        with tempfile.TemporaryDirectory(prefix="semsearch-kills-") as base:
            trial = Trial(scenario, Path(base), seed)
            each = max(1, kills // len(scenarios))
            points = trial.chance.sample(range(1, trial.points + 1), min(trial.points, each * 2 // 3 or 1))
            shares = [trial.chance.random() for _ in range(each - len(points))]
            kill = partial(_kill, trial, points, shares)
            found = Counter(outcome for _, outcome in forked.spread(each, kill))
            good = found.pop("", 0)
            print(f"{scenario.name:<12}{good + found.total():>5} kills, {trial.points:>4} points,"
                  f" {len(trial.states):>3} states, {found.total():>3} failures", flush=True)  # fmt: skip
            for outcome, count in found.items():
                print(f"    {count} x {outcome}", flush=True)
            outcomes.update({"good": good})
            outcomes.update(found)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    forked.restart()
    outcomes = run(chosen.kills, chosen.seed)
    failures = outcomes.total() - outcomes["good"]
    print(f"{outcomes.total()} kills, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
