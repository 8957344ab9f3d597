"""Readers that search without pause while a writer indexes, merges, deletes and quantizes; a second writer is refused.

    python -m tests.support.concurrent_readers [--seconds 600] [--readers 8]

Every round rewrites all documents with the number of the round. An answer that holds a document twice, not at all, or
in an older round than one seen before is of no committed state. Then: how long warm searches take beside a writer, one
core each.
"""

import argparse
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.made_texts import texts

_DOCUMENTS = 30
_PLACE = re.compile(r"place (\d+), round(\d+)")
# document -> round
Seen = dict[int, int]
_FORMS = ("int8", "binary", "float16", "rabitq")


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "semsearch", *arguments], capture_output=True, text=True)


def write_round(folder: Path, number: int) -> None:
    for place, (name, text) in enumerate(texts(_DOCUMENTS, 1).items()):
        path = folder / name
        working = folder.parent / f"{name}.new"
        working.write_text(f"round{number} {text} It is place {place}, round{number}.\n")
        stamp = time.time() - 3600 + number
        os.utime(working, (stamp, stamp))
        working.rename(path)


def write(folder: Path, index: Path, stop: Event, outcomes: "multiprocessing.Queue[str]") -> None:
    """The writer: a round, `index`, and every third time another form of the vectors."""
    number = 1
    while not stop.is_set():
        number += 1
        write_round(folder, number)
        done = command("index", "-i", str(index), "-q")
        outcomes.put("writer: " + ("round" if done.returncode == 0 else f"failed: {done.stderr[-200:]}"))
        if number % 3 == 0:
            form = _FORMS[number // 3 % len(_FORMS)]
            done = command("quantize", form, "-i", str(index), "--queries", "10", "--max-loss", "90%", "--json")
            outcomes.put("writer: " + ("quantize" if done.returncode == 0 else f"failed: {done.stderr[-200:]}"))
        if number % 5 == 0:
            outcomes.put(_second_writer(folder, index))


def _second_writer(folder: Path, index: Path) -> str:
    """Two runs at once: one works, one is refused with 75, or both in turn with --wait."""
    (folder / "extra.txt").write_text(f"An extra document of {time.time()}.\n")
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "semsearch", "index", "-i", str(index), "-q"], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    if codes not in ([0, 0], [0, 75]):
        return f"two writers: {codes} {errors}"
    if 75 in codes and not any("another run is writing" in error for error in errors):
        return f"the refused writer does not say why: {errors}"
    waited = command("index", "-i", str(index), "-q", "--wait", "--prune")
    return f"two writers: {codes[1]}" if waited.returncode == 0 else f"--wait failed: {waited.stderr[-200:]}"


def read(index: Path, number: int, stop: Event, outcomes: "multiprocessing.Queue[str]") -> None:
    """One reader: hybrid, dense and lexical searches in one open process, now and then in a new one."""
    last, chance = Seen(), random.Random(number)
    with Searcher(str(index)) as searcher:
        while not stop.is_set():
            mode = chance.choice(("hybrid", "dense", "lexical"))
            try:
                if chance.random() < 0.02:
                    outcome, last = _cold(index, last)
                else:
                    options = SearchOptions(mode=mode, k=_DOCUMENTS, fold=False, min_score=0, snippets=False)
                    found = searcher.search("the place of the round", options)
                    outcome, last = _whole([hit.text for hit in found.hits], mode, found.coverage.pending, last)
            except Exception as error:
                outcome = f"error: {type(error).__name__}: {error}"
            outcomes.put(outcome)


def _cold(index: Path, last: Seen) -> tuple[str, Seen]:
    import json

    done = command("search", "the place of the round", "-i", str(index), "--json", "-k", "30", "--no-fold",
                   "--min-score", "0", "--mode", "lexical")  # fmt: skip
    if done.returncode != 0:
        return f"search: exit status {done.returncode}: {done.stderr[-200:]}", last
    outcome, last = _whole([hit["text"] for hit in json.loads(done.stdout)["results"]], "lexical", 0, last)
    return outcome.replace("search", "cold search"), last


def _whole(found: Sequence[str], mode: str, pending: int, last: Seen) -> tuple[str, Seen]:
    """("search", the round of each document) where `found` may be a committed state; else what is wrong with it."""
    seen = Counter(int(match[1]) for text in found if (match := _PLACE.search(text)))
    rounds = {int(match[1]): int(match[2]) for text in found if (match := _PLACE.search(text))}
    if any(count > 1 for count in seen.values()):
        return f"torn: a document is there twice by {mode}", last
    if len(seen) < _DOCUMENTS - 1 and not (mode == "dense" and pending):
        return f"torn: {len(seen)} documents by {mode}, {pending} pending", last
    if any(number < last.get(place, 0) for place, number in rounds.items()):
        return f"older than before by {mode}", last
    return "search", {**last, **rounds}


def run(seconds: float, readers: int, searches: int = 0, rounds: int = 0) -> Counter[str]:
    """outcome -> how often; it goes on for `seconds`, and until so many searches and rounds of the writer are done."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="semsearch-readers-") as temporary:
        folder, index = Path(temporary) / "folder", Path(temporary) / "index"
        folder.mkdir()
        write_round(folder, 1)
        assert command("index", str(folder), "-i", str(index), "--model", "static", "-q").returncode == 0
        context = multiprocessing.get_context("spawn")
        stop, queue = context.Event(), context.Queue()
        processes = [
            context.Process(target=write, args=(folder, index, stop, queue)),
            *(context.Process(target=read, args=(index, number, stop, queue)) for number in range(readers)),
        ]
        for process in processes:
            process.start()
        end = time.monotonic() + seconds
        while any(process.is_alive() for process in processes):
            enough = outcomes["search"] >= searches and outcomes["writer: round"] >= rounds
            failed = failures(outcomes) or any(process.exitcode for process in processes)
            if time.monotonic() >= end and (enough or failed):
                stop.set()
            try:
                outcomes[queue.get(timeout=1)] += 1
            except Exception:  # queue.Empty: nothing was reported in this second
                continue
        for process in processes:
            process.join()
            if process.exitcode:
                outcomes[f"a process ended with {process.exitcode}"] += 1
    return outcomes


def failures(outcomes: Counter[str]) -> dict[str, int]:
    good = ("search", "cold search", "writer: round", "writer: quantize", "two writers: 0", "two writers: 75")
    return {outcome: count for outcome, count in outcomes.items() if outcome not in good}


def latency(seconds: float) -> tuple[float, float]:
    """p95 seconds of a warm search: (idle, while a writer works on another core)."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="semsearch-latency-") as temporary:
        folder, index = Path(temporary) / "folder", Path(temporary) / "index"
        folder.mkdir()
        for name, text in texts(2000, 3).items():
            (folder / name).write_text(text)
        assert command("index", str(folder), "-i", str(index), "--model", "static", "-q").returncode == 0
        os.sched_setaffinity(0, cores[:1])
        try:
            times: dict[str, list[float]] = {"idle": [], "writing": []}
            with Searcher(str(index)) as searcher:
                searcher.search("a boat near the harbour")
                for name in ("idle", "writing") * 2:
                    writer = _busy_writer(folder, index, cores[-1]) if name == "writing" else None
                    end = time.monotonic() + seconds
                    while time.monotonic() < end:
                        clock = time.perf_counter()
                        searcher.search("a boat near the harbour")
                        times[name].append(time.perf_counter() - clock)
                    if writer is not None:
                        os.killpg(writer.pid, signal.SIGKILL)
                        writer.wait()
        finally:
            os.sched_setaffinity(0, cores)
    return float(np.percentile(times["idle"], 95)), float(np.percentile(times["writing"], 95))


def _busy_writer(folder: Path, index: Path, core: int) -> "subprocess.Popen[bytes]":
    code = (
        "import os, subprocess, sys, random\n"
        f"os.sched_setaffinity(0, [{core}])\n"
        "while True:\n"
        "    for number in random.sample(range(2000), 200):\n"
        f"        open({str(folder)!r} + f'/3-{{number}}.txt', 'a').write(' It goes on and on.')\n"
        f"    subprocess.run([sys.executable, '-m', 'semsearch', 'index', '-i', {str(index)!r}, '-q'])\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--readers", type=int, default=8)
    chosen = parser.parse_args()
    outcomes = run(chosen.seconds, chosen.readers)
    for outcome, count in outcomes.most_common():
        print(f"{count:>8} {outcome}", flush=True)
    failed = sum(failures(outcomes).values())
    print(f"{outcomes.total()} searches and runs, {failed} failures")
    idle, writing = latency(10)
    print(f"p95 of a warm search: idle {idle * 1000:.1f} ms, beside a writer {writing * 1000:.1f} ms: "
          f"{writing / idle:.2f} x")  # fmt: skip
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
