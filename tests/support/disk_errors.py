"""A disk that fails: EIO and ENOSPC at every call that changes the index folder, of every kind of run that writes.

    python -m tests.support.disk_errors [--every 1] [--scenario NAME] [--seed 1]

Each call fails once, or it and all later ones do: a broken disk, a full one. After each: did the run end by exit status
2 and one line that tells of the disk, is the index whole as before or after, and does the next run end as one that
nothing befell? A repair that was cut off must leave an index that can still be repaired. The calls are those of Python
and of SQLite, by a library that stands before the one of C (`disk_errors.c`).
"""

import argparse
import contextlib
import ctypes
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from semsearch.indexing import pipeline
from tests.support import crash_points, forked, kills
from tests.support.found import Found
from tests.support.kills import Scenario

SECONDS, MEMORY = 30, 1 << 30
_FAULTS = ((errno.EIO, False), (errno.EIO, True), (errno.ENOSPC, False), (errno.ENOSPC, True))
# What the system and SQLite say of a disk.
_OF_THE_DISK = (
    *(os.strerror(number) for number, _ in _FAULTS), "disk I/O error", "disk is full", "unable to open database file",
)  # fmt: skip
_FIRST = ("index", "FOLDER", "--model", "static", "-q")
_REPAIR = ("verify", "--repair")


def _lose_segments(index: Path) -> None:
    from tests.support.local_index import flip, folders

    flip(folders(index, "lex")[0] / "bm25.bin", 0.1)
    flip(folders(index, "vec")[0] / "ids.bin", 0.1)


def _lose_rows(index: Path) -> None:
    from tests.support.local_index import lose_page

    lose_page(index, "files")


# name -> what it damages before the repair.
_REPAIRS: dict[str, Callable[[Path], None]] = {"repair": _lose_segments, "salvage": _lose_rows}
SCENARIOS = (*kills.SCENARIOS, *(Scenario(name, (_FIRST,), False, _REPAIR) for name in _REPAIRS))


@dataclass(frozen=True)
class Fault:
    """`call`: from 1; `sticky`: all later calls fail, too."""

    call: int
    number: int
    sticky: bool

    @property
    def full(self) -> bool:
        """Whether the disk is full from here on: what takes no room goes on working."""
        return self.sticky and self.number == errno.ENOSPC

    def __str__(self) -> str:
        return f"{errno.errorcode[self.number]} {'from call' if self.sticky else 'at call'} {self.call}"


class Trial(kills.Trial):
    """One scenario: the index before, the states its run commits, and what it ends with."""

    queries = kills.QUERIES[:2]

    def __init__(self, scenario: Scenario, base: Path, seed: int) -> None:
        self.damage = _REPAIRS.get(scenario.name)
        super().__init__(scenario, base, seed)
        self.calls = {full: self._calls(full) for full in (False, True)}

    def faults(self) -> list[Fault]:
        found = []
        for number, sticky in _FAULTS:
            full = sticky and number == errno.ENOSPC
            found += [Fault(call + 1, number, sticky) for call in range(len(self.calls[full]))]
        return found

    def _states(self) -> list[Found]:
        if self.damage is None:
            return super()._states()
        index = self.base / "whole"
        self._arguments(index)
        said = self._finish(index)
        assert not said, said
        return []  # a repair that was cut off answers nothing, or as what is left

    def _arguments(self, index: Path) -> list[str]:
        arguments = super()._arguments(index)
        if self.damage is not None:
            self.damage(index)
        return arguments

    def _calls(self, full: bool) -> list[str]:
        """The calls of a run that nothing befalls, by name and file."""
        index = self.base / "counted"
        arguments = self._arguments(index)
        names = os.memfd_create("names")
        done = forked.in_child(lambda: _armed(arguments, index, Fault(0, 0, full), full, names))
        assert done.code == 0, done
        with open(names, encoding="utf-8") as file:
            file.seek(0)
            return file.read().splitlines()

    def fail(self, process: int, fault: Fault) -> str:
        """What came of `fault`; "" when all is well."""
        index = self.base / f"failed{process}"
        arguments = self._arguments(index)
        names = os.memfd_create("names")
        done = forked.in_child(lambda: _armed(arguments, index, fault, fault.full, names), SECONDS)
        with open(names, encoding="utf-8") as file:
            file.seek(0)
            call = file.read().strip() or "nothing"
        judged = forked.in_child(lambda: self._judge_in_child(index), SECONDS)
        found = judged.out.strip() if judged.code == 0 else f"the judge: {judged.err[-400:]}"
        found = found and f"{found} (it said: {done.err.strip()!r}, {done.code})"
        wrong = "; ".join(filter(None, [self._wrong(done), found]))
        return f"{fault}, {call}: {wrong}" if wrong else ""

    def _wrong(self, done: forked.Ended) -> str:
        """What is wrong with how a run ended."""
        defect = done.defect(SECONDS, MEMORY)
        if defect:
            return defect
        if done.code == 0:
            return ""  # what failed was not needed; the judge sees whether that is so
        said = [_told(line) for line in done.err.strip().splitlines()]
        if done.code == 1 and self.damage is not None:
            return "" if "problem" in done.out else f"exit status 1: {done.out} {done.err}"
        if done.code != 2:
            return f"exit status {done.code}: {done.err.strip()[-300:]}"
        last = said[-1] if said else ""
        # `verify --repair` announces what it does.
        if not last.startswith("semsearch: ") or (len(said) > 1 and self.damage is None):
            return f"not one line: {done.err!r}"
        if not any(words in last for words in _OF_THE_DISK):
            return f"it does not tell of the disk: {last}"
        if self.damage is None and ("damaged" in last or "remove" in last):
            return f"it calls the index damaged: {last}"
        return "" if last.endswith(")") else f"it does not tell what to do: {last}"

    def _judge_in_child(self, index: Path) -> int:
        forked.prepare_reader()
        print(self._repaired(index) if self.damage is not None else self._judge(index))
        return 0

    def _judge(self, index: Path) -> str:
        from semsearch.maintenance.verification import verify

        if (index / "catalog.db").exists():
            report = verify(str(index), False, False, lambda message: None)
            if report.problems:
                return f"damaged: {report.problems}"
            # Before the first commit there is an index without documents.
            if report.chunks and self.answers(index) not in self.states:
                return "it answers as at no commit"
        code, said = _command(self._complete(self.scenario.arguments, index))
        if code:
            return f"the next run fails: {said}"
        return self._ends_well(index)

    def _repaired(self, index: Path) -> str:
        said = self._finish(index)
        return said or self._ends_well(index)

    def _finish(self, index: Path) -> str:
        """Repairs the index and indexes what was lost; what goes wrong."""
        for arguments in (self._complete(_REPAIR, index), ["index", "-q", "-i", str(index)]):
            code, said = _command(arguments)
            if code:
                return f"{arguments[0]} afterwards fails: {said}"
        return ""

    def _ends_well(self, index: Path) -> str:
        from semsearch.maintenance.verification import verify

        if self.answers(index) != self.end:
            return "the next run ends otherwise"
        report = verify(str(index), False, False, lambda message: None)
        return f"damaged after the next run: {report.problems}" if report.problems else ""


def _told(line: str) -> str:
    """An error as a person would be told it, of a line that is for programs."""
    if not line.startswith("{"):
        return line
    error = json.loads(line)["error"]
    return f"semsearch: {error['message']} ({error['hint']})"


def _command(arguments: list[str]) -> tuple[int, str]:
    from semsearch.cli.app import run

    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(arguments)
    return code, said.buffer.getvalue().decode()[-600:]  # type: ignore[attr-defined]


def _armed(arguments: list[str], index: Path, fault: Fault, full: bool, names: int) -> int:
    """In a child: a run on a disk that fails."""
    forked.prepare_reader()
    shim = ctypes.CDLL(None)
    shim.disk_arm(
        os.fsencode(os.path.realpath(index)),
        ctypes.c_long(fault.call),
        fault.number,
        int(fault.sticky),
        int(full),
        names,
    )
    return forked.command(*arguments)


def shim() -> Path:
    """The library that stands before the one of C, compiled once for each version of its source."""
    source = Path(__file__).with_suffix(".c")
    built = Path(tempfile.gettempdir()) / f"semsearch-disk-errors-{source.stat().st_mtime_ns}-{os.getuid()}.so"
    if not built.exists():
        working = built.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", working, source, "-ldl"], check=True)
        working.rename(built)
    return built


def _fail(trial: Trial, faults: list[Fault], process: int, task: int) -> str:
    return trial.fail(process, faults[task])


def run(every: int, seed: int, scenarios: tuple[Scenario, ...] = SCENARIOS) -> Counter[str]:
    """outcome -> how often; "" is good. `every`: one fault in so many is tried."""
    outcomes: Counter[str] = Counter()
    for scenario in scenarios:
        with tempfile.TemporaryDirectory(prefix="semsearch-disk-") as base:
            trial = Trial(scenario, Path(base), seed)
            faults = trial.faults()[seed % every :: every]
            found: Counter[str] = Counter()
            fail = partial(_fail, trial, faults)
            for _, outcome in forked.spread(len(faults), fail):
                found[outcome] += 1
                if outcome:
                    print(f"    {outcome}", flush=True)
            print(f"{scenario.name:<12}{len(faults):>5} faults, {len(trial.calls[False]):>4} calls,"
                  f" {len(trial.states):>3} states, {found.total() - found['']:>3} failures", flush=True)  # fmt: skip
            outcomes.update(found)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="of so many faults one is tried")
    parser.add_argument("--scenario", choices=[one.name for one in SCENARIOS])
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if shutil.which("cc") is None:
        parser.error("it needs a C compiler, cc")
    forked.restart({"LD_PRELOAD": str(shim())})
    forked.warm_up()
    crash_points.commit_by_count_alone(pipeline)
    outcomes = run(chosen.every, chosen.seed, tuple(one for one in SCENARIOS if chosen.scenario in (None, one.name)))
    failures = outcomes.total() - outcomes[""]
    print(f"{outcomes.total()} failures of the disk, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
