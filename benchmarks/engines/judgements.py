"""Queries and judgements as files, and nDCG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def read_queries(path: Path) -> list[tuple[str, str]]:
    """(id, text) of each line of `path`: `id<TAB>text`, or the text alone."""
    pairs = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        name, tab, text = line.partition("\t")
        if line.strip():
            pairs.append((name, text) if tab else (str(number), line))
    return pairs


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query -> document -> relevance, of lines with three columns, or TREC's four."""
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text().splitlines():
        columns = line.split()
        if len(columns) >= 3:
            found.setdefault(columns[0], {})[columns[-2]] = int(float(columns[-1]))
    return found


def ndcg(ranked: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """nDCG at `depth` of `ranked`, gains as they are judged (Jarvelin and Kekalainen 2002)."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    gains = [relevant.get(name, 0) for name in ranked[:depth]]
    ideal = sorted(relevant.values(), reverse=True)[:depth]
    best = float(np.dot(ideal, discounts[: len(ideal)]))
    return float(np.dot(gains, discounts[: len(gains)])) / best if best else 0.0
