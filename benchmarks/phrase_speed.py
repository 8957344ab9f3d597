"""Time of phrase queries on a large index, beside the same words without quotation marks.

    python -m benchmarks.phrase_speed INDEX [--phrases 12] [--rounds 5] [--mode hybrid]

INDEX is any index (`benchmarks.million` makes a large one). The phrases, of two to four words, are taken from passages
of it: half of them from anywhere, half of words that are frequent. Each is searched in turn with and without quotation
marks, in one open process.
"""

import argparse
import random
import re
import statistics
import time
from pathlib import Path

from benchmarks.timing import turn_caches_off
from semsearch.lexical.analyzer import analyze_query
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.reader import OpenSnapshot

_SAMPLE = 2_000


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--phrases", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mode", default="hybrid")
    chosen = parser.parse_args()
    options = SearchOptions(mode=chosen.mode)
    ratios = []
    with Searcher(str(chosen.index)) as searcher:
        for phrase, passages in phrases_of(chosen.index, chosen.phrases):
            plain, quoted = [], []
            for round_number in range(chosen.rounds + 1):
                for query, times in ((phrase, plain), (f'"{phrase}"', quoted)):
                    clock = time.perf_counter()
                    searcher.search(query, options)
                    if round_number:
                        times.append(time.perf_counter() - clock)
            ratios.append(statistics.median(quoted) / statistics.median(plain))
            print(f"{statistics.median(plain) * 1000:>8.1f} ms  {statistics.median(quoted) * 1000:>8.1f} ms  "
                  f"{ratios[-1]:>5.2f} x  {passages:>8,} passages have all words  {phrase}")  # fmt: skip
    half = len(ratios) // 2
    for name, own in (("of frequent words", ratios[:half]), ("from anywhere", ratios[half:])):
        print(f"phrases {name}: phrase / plain: median {statistics.median(own):.2f}, most {max(own):.2f}")


def phrases_of(index: Path, count: int) -> list[tuple[str, int]]:
    """(phrase, how many passages hold all of its words) of `count` phrases, half of them of frequent words."""
    snapshot = OpenSnapshot(str(index))
    chance = random.Random(7)
    last = snapshot.position().last
    languages = snapshot.languages()
    found: dict[str, int] = {}
    for passage in snapshot.passages(chance.sample(range(1, last + 1), min(_SAMPLE, last))):
        runs = [run.split() for run in re.findall(r"[a-z]+(?: [a-z]+){1,}", passage.text)]
        long = [run for run in runs if len(run) >= 2]
        if long:
            run = chance.choice(long)
            words = run[: chance.randint(2, min(4, len(run)))]
            phrase = " ".join(words)
            if len(analyze_query(phrase, languages)) >= 2:
                found[phrase] = len(snapshot.holding(analyze_query(phrase, languages)))
    frequent = sorted(found.items(), key=lambda item: -item[1])[: count // 2]
    anywhere = chance.sample([item for item in found.items() if item not in frequent], count - len(frequent))
    return frequent + anywhere


if __name__ == "__main__":
    main()
