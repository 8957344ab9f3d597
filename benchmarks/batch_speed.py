"""How much faster `search --queries` answers than one process for each query.

    python -m benchmarks.batch_speed INDEX QUERIES.jsonl [--queries 1000] [--single 25]

Prints queries a second of both and their ratio. They alternate, so that a busy machine slows both alike; only a sample
of the queries is run in processes of their own.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.timing import turn_caches_off


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--single", type=int, default=25)
    chosen = parser.parse_args()
    texts = [json.loads(line)["text"] for line in chosen.file.read_text("utf-8").splitlines()][: chosen.queries]
    command = [str(Path(sys.executable).with_name("semsearch")), "search", "-i", str(chosen.index), "--jsonl"]
    rates = {"batch": 0.0, "single": 0.0}
    rounds = 3
    for _ in range(rounds):
        begun = time.perf_counter()
        batch = [*command, "--queries", "-"]
        subprocess.run(batch, input="\n".join(texts), text=True, check=True, stdout=subprocess.DEVNULL)
        rates["batch"] += len(texts) / (time.perf_counter() - begun) / rounds
        begun = time.perf_counter()
        sample = texts[:: max(1, len(texts) // chosen.single)]
        for text in sample:
            subprocess.run([*command, "--", text], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rates["single"] += len(sample) / (time.perf_counter() - begun) / rounds
    print(f"{len(texts)} queries in one process {rates['batch']:.1f}/s, a process each {rates['single']:.2f}/s: "
          f"{rates['batch'] / rates['single']:.1f} x")  # fmt: skip


if __name__ == "__main__":
    main()
