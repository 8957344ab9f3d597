"""`bench speed`: how fast passages are encoded by each runtime, how long a query takes, and where the time goes."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import numpy as np

from semsearch import settings, subprocesses
from semsearch.callbacks import Announce
from semsearch.chunking.chunk import encoded
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError, SemsearchError
from semsearch.no_telemetry import NO_TELEMETRY
from semsearch.plurals import count_of
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot

BATCHES = (1, 8, 32)
_RUNTIMES = ("onnx-int8", "onnx-fp32", "torch-fp32", "static")
_IMPORTS = "import numpy, faiss, onnxruntime, tokenizers, typer, rich"


@dataclass(frozen=True)
class Step:
    """A part of a warm query and its median seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class SpeedReport:
    """The results of `bench speed`.

    `chunks`: how many were encoded, of `tokens` each on average; `encoding`: runtime -> batch size -> chunks a second;
    `cold`: kind of process -> median seconds; `warm`: (p50, p95) seconds of a query in an open process; `steps`: its
    parts.
    """

    index: str
    chunks: int
    tokens: float
    encoding: dict[str, dict[int, float]]
    cold: dict[str, float]
    warm: tuple[float, float]
    steps: tuple[Step, ...]
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.bench/1",
            "bench": "speed",
            "index": self.index,
            "chunks": self.chunks,
            "tokens_a_chunk": round(self.tokens, 1),
            "encoding_chunks_a_second": {
                runtime: {str(size): round(speed, 2) for size, speed in speeds.items()}
                for runtime, speeds in self.encoding.items()
            },
            "cold_ms": {name: round(seconds * 1000, 2) for name, seconds in self.cold.items()},
            "warm_ms": {"p50": round(self.warm[0] * 1000, 3), "p95": round(self.warm[1] * 1000, 3)},
            "steps_ms": {step.name: round(step.seconds * 1000, 3) for step in self.steps},
            "notices": list(self.notices),
        }


def measure_speed(index: str | None, chunks: int, rounds: int, announce: Announce) -> SpeedReport:
    """Encodes `chunks` passages of the index with each runtime; times queries, and `rounds` processes of each kind.

    The queries are sentences of the index. Writes only a temporary file. Raises `SemsearchError`.
    """
    path = settings.index_for_reading(index)
    texts, tokens, model, queries = read_index(path, lambda snapshot: _read(snapshot, chunks))
    if not texts or not queries:
        raise SemsearchError(f"the index {path} holds too little text to measure with", "index more first")
    notices: list[str] = []
    encoding = _encoding(model, texts, announce, notices) if model is not None else {}
    announce("timing queries")
    cold = _cold(path, queries[0], rounds)
    warm, steps = _warm(path, queries)
    return SpeedReport(path, len(texts), tokens, encoding, cold, warm, steps, tuple(notices))


def _read(snapshot: Snapshot, count: int) -> tuple[list[str], float, ModelInfo | None, list[str]]:
    """(texts of up to `count` random passages, their mean tokens, the model, 100 queries)."""
    passages = list(islice(snapshot.shuffled(Random()), count))
    texts = [encoded(one.heading, one.text) for one in passages]
    tokens = statistics.mean(one.tokens for one in passages) if passages else 0.0
    return texts, tokens, snapshot.info().model, held_out_queries(snapshot, 100)


def _encoding(
    model: ModelInfo, texts: Sequence[str], announce: Announce, notices: list[str]
) -> dict[str, dict[int, float]]:
    speeds: dict[str, dict[int, float]] = {}
    source = resolve(model.name)
    with tempfile.TemporaryDirectory(prefix="semsearch-bench-") as folder:
        task = os.path.join(folder, "texts.json")
        with open(task, "w", encoding="utf-8") as file:
            json.dump({"info": model.as_dict(), "folder": source.folder, "texts": list(texts)}, file)
        for runtime in _RUNTIMES:
            if source.kind == "static" and runtime != "static":
                continue
            announce(f"encoding {count_of(len(texts), 'chunk')} with {runtime}")
            process = subprocesses.start(
                "semsearch.evaluation.runtime_speed",
                [runtime, task, ",".join(map(str, BATCHES))],
                {"HF_HUB_OFFLINE": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                output, errors = process.communicate()
            except BaseException:
                process.kill()
                process.wait()
                raise
            if process.returncode != 0:
                reason = subprocesses.last_words(errors.splitlines(), process.returncode)
                notices.append(f"{runtime} cannot run {model.name}: {reason[:200]}")
                continue
            speeds[runtime] = {int(size): float(value) for size, value in json.loads(output).items()}
    if not speeds:
        raise ModelError(f"no runtime could run {model.name}", notices[-1] if notices else "")
    return speeds


def _cold(index: str, query: str, rounds: int) -> dict[str, float]:
    """Kind of process -> median seconds of `rounds` runs; kinds alternate, so that a busy machine slows all alike."""
    search = [sys.executable, "-P", "-m", "semsearch", "search", "-i", index, "--", query]
    commands = {
        "start of Python": [sys.executable, "-c", "pass"],
        "imports (numpy, faiss, onnxruntime, tokenizers, typer, rich)": [sys.executable, "-c", _IMPORTS],
        "search --mode lexical": [*search[:5], "--mode", "lexical", *search[5:]],
        "search": search,
        "search, asked before": search,
    }
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {
        **NO_TELEMETRY,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")])),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            clock = time.perf_counter()
            remembers = {} if name == "search, asked before" else {"SEMSEARCH_QUERY_CACHE": "0"}
            done = subprocess.run(command, capture_output=True, env={**environment, **remembers}, check=False)
            if done.returncode > 1:
                raise SemsearchError(f"{name} failed: {done.stderr.decode('utf-8', 'replace').strip()[:300]}")
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - clock)
    return {name: statistics.median(values) for name, values in times.items()}


def _warm(index: str, queries: Sequence[str]) -> tuple[tuple[float, float], tuple[Step, ...]]:
    """(p50, p95) seconds of whole queries, and the medians of their parts, each timed by leaving out the others."""
    kinds = {
        "words": SearchOptions(mode="lexical", snippets=False, fold=False, syntax=False, correct=False, min_score=0),
        "meaning": SearchOptions(mode="dense", snippets=False, fold=False, syntax=False, correct=False, min_score=0),
        "both": SearchOptions(snippets=False, fold=False, syntax=False, correct=False, min_score=0),
        "all": SearchOptions(min_score=0),
    }
    times: dict[str, list[float]] = {name: [] for name in (*kinds, "encode")}
    with Searcher(index, remember=False) as searcher:
        searcher.search(queries[0], kinds["all"])
        encode_query = searcher.encode_query
        assert encode_query is not None  # a search by meaning has just opened the model
        for query in queries:
            for name, options in kinds.items():
                clock = time.perf_counter()
                searcher.search(query, options)
                times[name].append(time.perf_counter() - clock)
            clock = time.perf_counter()
            encode_query(query)
            times["encode"].append(time.perf_counter() - clock)
    p50, p95 = np.percentile(times["all"], [50, 95])
    middle = {name: statistics.median(values) for name, values in times.items()}
    steps = (
        Step("encode the query", middle["encode"]),
        Step("search by meaning, read the hits", middle["meaning"] - middle["encode"]),
        Step("search by words, read the hits", middle["words"]),
        Step("both legs, fused", middle["both"] - middle["encode"]),
        Step("best sentences, copies, snippets", middle["all"] - middle["both"]),
    )
    return (float(p50), float(p95)), tuple(Step(step.name, max(0.0, step.seconds)) for step in steps)
