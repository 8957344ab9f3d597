"""All trials of unattended use, about an hour on two cores, and one table of what they found.

    python -m tests.unattended [--only NAME] [--scale 1]

`--scale 0.1`: a tenth of each. Exit status 1 when anything is not as it should be. Indexes are made in the folder of
temporary files; with TMPDIR=/dev/shm no time goes by in waiting for a disk.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

# "1,000 kills, 0 failures", the line that every trial prints.
_COUNTS = re.compile(r"^([\d,]+) (.+), ([\d,]+) failures?\b", re.MULTILINE)


@dataclass(frozen=True)
class Trial:
    """`option`: the flag that says how much is tried, `whole`: its value for all of it. `inverse`: less is more."""

    module: str
    option: str
    whole: int
    inverse: bool = False

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    def arguments(self, scale: float) -> list[str]:
        count = self.whole / scale if self.inverse else self.whole * scale
        return ["-m", self.module, self.option, str(max(1, round(count)))]


TRIALS = (
    Trial("tests.support.kills", "--kills", 1000),
    Trial("tests.support.corruption", "--bytes", 1000),
    Trial("tests.support.mutations", "--mutations", 2000),
    Trial("tests.support.odd_cells", "--commands", 1500),
    Trial("tests.support.signals", "--signals", 2000),
    Trial("tests.support.disk_errors", "--every", 1, inverse=True),
    Trial("tests.support.adversarial", "--strings", 10_000),
    Trial("tests.support.copies", "--copies", 60),
    Trial("tests.support.concurrent_readers", "--seconds", 600),
)


@dataclass(frozen=True)
class Result:
    """`tried` of `what`, with `failures`; None: the trial itself did not come to an end."""

    trial: Trial
    tried: str
    what: str
    failures: int | None
    seconds: float

    @property
    def bad(self) -> bool:
        return self.failures != 0

    def row(self) -> str:
        failures = "no end" if self.failures is None else str(self.failures)
        return f"{self.trial.name:<20}{self.tried:>9} {self.what:<28}{failures:>9}{self.seconds:>9.0f} s"


def run(trial: Trial, scale: float) -> Result:
    """Runs one trial, whose lines are printed as they come."""
    print(f"== {trial.name}", flush=True)
    started = time.monotonic()
    lines = []
    with subprocess.Popen(
        [sys.executable, *trial.arguments(scale)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    seconds = time.monotonic() - started
    found = _COUNTS.findall("".join(lines))
    if not found:
        return Result(trial, "-", f"exit status {process.returncode}", None, seconds)
    tried, what, failures = found[-1]
    counted = int(failures.replace(",", ""))
    # A trial that says that all is well, and ends as if it were not, did not come to its end.
    return Result(trial, tried, what, None if process.returncode and not counted else counted, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[trial.name for trial in TRIALS])
    parser.add_argument("--scale", type=float, default=1.0)
    chosen = parser.parse_args()
    if not 0 < chosen.scale <= 1:
        parser.error("--scale is a share, above 0 and up to 1")
    results = [run(trial, chosen.scale) for trial in TRIALS if chosen.only in (None, trial.name)]
    print(f"\n{'trial':<20}{'tried':>9} {'of':<28}{'failures':>9}{'time':>11}")
    for result in results:
        print(result.row())
    sys.exit(1 if any(result.bad for result in results) else 0)


if __name__ == "__main__":
    main()
