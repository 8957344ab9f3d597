"""Kills runs of `index` between the vector database and the catalog; what is left each time, and after the next run.

    python -m benchmarks.engines.two_store_kills [--kills 50] [--seed 1] [--postgres]

A folder changes; a run is killed before or after a call that changes the database, or a commit of the catalog; the
index is searched; a run goes on to the end; what is found then is compared with an index that keeps its vectors itself
and was never killed. A real PostgreSQL server with pgvector is started for it; with `--postgres` it keeps the index,
too. At last vectors are taken out and put in behind the back of the index, and `verify --repair` mends both sides.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import psycopg

from semsearch.maintenance.verification import verify
from semsearch.settings import url_scheme
from semsearch.store.opening import open_store
from semsearch.vector_engines.opening import open_engine, recordable
from tests.support.kills import QUERIES, answers
from tests.support.made_texts import texts
from tests.support.postgres_server import PostgresServer

# What the run that is killed is asked for, beside `index`.
RUNS = ("changes", "changes", "changes", "rebuild", "another collection", "the index", "first run")


class Folder:
    """A folder that changes, and two indexes of it: `own` keeps its vectors."""

    def __init__(self, base: Path, url: str, seed: int, place: str = "") -> None:
        """`place`: the URL of the index in PostgreSQL; "": it is in a folder."""
        self.folder, self.own, self.index = base / "folder", base / "own", place or str(base / "index")
        self.folder.mkdir()
        self.url, self.chance, self.collections, self.made = url, random.Random(seed), 0, 0
        self.at = ""
        self.change()

    def remove_index(self) -> None:
        if url_scheme(self.index):
            with psycopg.connect(self.index, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS semsearch CASCADE")
        else:
            shutil.rmtree(self.index, ignore_errors=True)

    def new_url(self) -> str:
        self.collections += 1
        return f"{self.url}?table=vectors_{self.collections}"

    def change(self) -> None:
        """Adds, changes, deletes, renames files."""
        names = sorted(path.name for path in self.folder.iterdir())
        self.made += 1
        for name, text in texts(5, 100 + self.made).items():
            (self.folder / name).write_text(text)
        if len(names) > 8:
            gone, changed, renamed, copied = self.chance.sample(names, 4)
            (self.folder / gone).unlink()
            (self.folder / changed).write_text((self.folder / copied).read_text() + " It was changed.")
            (self.folder / renamed).rename(self.folder / f"renamed-{self.made}.txt")

    def arguments(self, kind: str) -> list[str]:
        arguments = ["index", str(self.folder), "--model", "static", "-q", "--prune", "--wait", "-i", self.index]
        if kind == "rebuild":
            return [*arguments, "--rebuild"]
        if kind == "the index" and self.at:
            return [*arguments, "--vectors", "index"]
        if kind != "changes" or not self.at:
            return [*arguments, "--vectors", self.new_url()]
        return arguments


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def recorded(index: str) -> str:
    status = json.loads(run("-m", "semsearch", "status", "--json", "-i", index).stdout)
    return str(status["vectors"].get("at", ""))


def exists(index: str) -> bool:
    store = open_store(index)
    try:
        return store.exists()
    finally:
        store.close()


def one_kill(folder: Folder, kind: str) -> tuple[str, str]:
    """(where it was killed, what was wrong; "" when all is well)."""
    if kind == "first run":
        folder.remove_index()
        folder.at = ""
    folder.change()
    arguments = folder.arguments(kind)
    point = folder.chance.randint(1, 24)
    while True:
        done = run("-m", "tests.support.engine_crash_points", str(point), *arguments)
        if done.returncode == -9:
            break
        if done.returncode:
            return "", f"the run fails: {done.stderr.strip()[-200:]}"
        point = folder.chance.randint(1, max(1, point - 1))
        folder.change()
    where = done.stderr.strip().splitlines()[-1].removeprefix("killed ")
    wrong = []
    own = ["index", str(folder.folder), "--model", "static", "-q", "--prune", "-i", str(folder.own)]
    if exists(folder.index):
        report = verify(folder.index, False, False, lambda message: None)
        wrong += [f"after the kill: {one.what}" for one in report.problems if "of no passage" not in one.what]
        if report.chunks:
            answers(folder.index)  # raises where a search does not answer
    done = run("-m", "semsearch", *arguments)
    if done.returncode:
        wrong.append(f"the next run fails: {done.stderr.strip()[-200:]}")
    assert run("-m", "semsearch", *own).returncode == 0
    if not wrong and answers(folder.index) != answers(folder.own):
        wrong.append("the next run ends otherwise")
    report = verify(folder.index, False, False, lambda message: None)
    wrong += [one.what for one in report.problems]
    folder.at = recorded(folder.index)
    return where, "; ".join(wrong)


def repaired(folder: Folder) -> str:
    """Loses vectors, adds others, and mends that; what is wrong after it."""
    engine = open_engine(folder.url + "?" + folder.at.partition("?")[2])
    ids = np.sort(np.concatenate(list(engine.ids())))
    engine.delete(ids[::3])
    engine.upsert(ids[-1:] + np.arange(1, 8), np.repeat(engine.vectors(ids[1:2]), 7, axis=0), [{}] * 7)
    engine.close()
    before = verify(folder.index, False, False, lambda message: None)
    after = verify(folder.index, True, False, lambda message: None)
    if url_scheme(folder.index):  # the next run encodes
        assert run("-m", "semsearch", *folder.arguments("changes")).returncode == 0
    same = answers(folder.index) == answers(folder.own)
    found, left = ("; ".join(one.what for one in report.problems) or "good" for report in (before, after))
    print(f"verify --repair: {found} -> {left}{'' if same else ', but it answers otherwise'}")
    return "" if same and not after.problems else "the repair"


def main(kills: int, seed: int, in_postgres: bool = False) -> int:
    """How many failures there were."""
    failures = 0
    with PostgresServer() as server, tempfile.TemporaryDirectory(prefix="semsearch-kills-") as base:
        url = server.url(server.new_database(extensions=())).replace("postgresql://", "pgvector://")
        os.environ["PGPASSWORD"] = server.password
        place = server.url(server.new_database()).replace(f":{server.password}@", "@") if in_postgres else ""
        folder = Folder(Path(base), recordable(url), seed, place)
        table: Counter[tuple[str, str]] = Counter()
        for number in range(kills):
            kind = RUNS[number % len(RUNS)]
            where, wrong = one_kill(folder, kind)
            table[kind, where] += 1
            if wrong:
                failures += 1
                print(f"{kind}, killed {where}: {wrong}", flush=True)
        print(f"{'run':<20}{'killed':<18}{'times':>5}")
        for (kind, where), count in sorted(table.items()):
            print(f"{kind:<20}{where:<18}{count:>5}")
        print(f"{kills} kills, {failures} failures; {len(QUERIES)} queries by words and by vectors after each")
        if not folder.at:
            assert run("-m", "semsearch", *folder.arguments("another collection")).returncode == 0
            folder.at = recorded(folder.index)
        failures += bool(repaired(folder))
    return failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    chosen = parser.parse_args()
    sys.exit(1 if main(chosen.kills, chosen.seed, chosen.postgres) else 0)
