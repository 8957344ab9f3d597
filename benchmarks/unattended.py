"""All trials of unattended use, about an hour on two cores: the cost of runs, kills, damaged files, concurrent readers.

    python -m benchmarks.unattended

Prints the cost of a run by what changed (`benchmarks.unattended_cost`), then for 300 kills, 200 changed bytes and ten
minutes of eight readers beside a writer how many ended in a damaged index or a wrong answer.
"""

import subprocess
import sys

TRIALS = (
    ["benchmarks.unattended_cost"],
    ["tests.support.kills", "--kills", "300"],
    ["tests.support.corruption", "--bytes", "200"],
    ["tests.support.concurrent_readers", "--seconds", "600"],
)


def main() -> None:
    for trial in TRIALS:
        print(f"== {' '.join(trial)}", flush=True)
        subprocess.run([sys.executable, "-m", *trial], check=True)


if __name__ == "__main__":
    main()
