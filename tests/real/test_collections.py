"""What was measured when the design was made must stay true: on the real collections, through the real command."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import extractive_answers, query_adapter
from benchmarks.retrieval_quality import build, measure
from tests.support.real_collections import data_folder, load

pytestmark = pytest.mark.real

LEGS = {"lexical": ["--mode", "lexical"], "dense": ["--mode", "dense"], "hybrid": []}


@pytest.mark.parametrize(
    ("name", "lowest"), [("cranfield", 0.435), ("xquad-en", 0.975), ("xquad-de", 0.940), ("xquad-zh", 0.905)]
)
def test_hybrid_search_beats_both_of_its_legs(name: str, lowest: float, tmp_path: Path) -> None:
    collection = load(name)
    values = measure(collection, build(collection, tmp_path), LEGS)
    print(name, values)
    assert values["hybrid"] >= lowest
    assert values["hybrid"] > max(values["lexical"], values["dense"])


def test_a_real_folder(tmp_path: Path) -> None:
    data = data_folder()
    assert data is not None
    # With the vectors of an earlier run at hand, nothing is left to wait for.
    environment = os.environ | {"SEMSEARCH_PASSAGE_CACHE": "0"}
    folder, index = data / "folders" / "redis-doc", tmp_path / "r.index"
    command = [sys.executable, "-m", "semsearch"]
    running = subprocess.Popen(
        [*command, "index", str(folder), "--index", str(index), "--json"], stdout=subprocess.PIPE, env=environment
    )
    # Words are found long before everything is encoded.
    query = [*command, "search", "maxmemory-policy allkeys-lru", "--mode", "lexical", "--json", "--index", str(index)]
    found: list[str] = []
    while running.poll() is None and "docs/reference/eviction/index.md" not in found:
        time.sleep(0.5)
        done = subprocess.run(query, capture_output=True, text=True)
        found = [hit["path"] for hit in json.loads(done.stdout)["results"]] if done.returncode == 0 else []
    assert running.poll() is None, "found only when everything was done"
    report = json.loads(running.communicate()[0])
    assert running.returncode == 0
    assert report["files"] == {
        "added": 478, "changed": 0, "renamed": 0, "removed": 0, "unchanged": 0, "skipped": 0, "failed": 0
    }  # fmt: skip
    assert report["chunks"]["pending"] == 0
    question = "how do I limit memory and evict old keys"
    done = subprocess.run(
        [*command, "search", question, "--index", str(index), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["results"][0]["path"] == "docs/reference/eviction/index.md"


def test_chunks_by_tiktoken(tmp_path: Path) -> None:
    from semsearch.chunking.tokenizers import TiktokenTokenizer
    from semsearch.errors import UsageError

    try:
        ruler = TiktokenTokenizer("cl100k_base")
    except UsageError:
        pytest.skip("TIKTOKEN_CACHE_DIR holds no vocabulary")
    text = "Tidal 東京 power 🙂 naïve\n" * 3
    starts = ruler.starts(text)
    assert starts[0] == 0 and starts[-1] < len(text)
    assert (starts[1:] >= starts[:-1]).all()


def test_quoted_answers_hold_the_gold_answer(tmp_path: Path) -> None:
    collection = load("xquad-en")
    index = build(collection, tmp_path)
    values = extractive_answers.measure(index, collection.write_queries(tmp_path / "queries.jsonl"))
    print(values)
    assert values["first quote"] >= 0.795
    assert values["first three"] >= 0.93


def test_what_is_learnt_of_some_questions_helps_others(tmp_path: Path) -> None:
    report = query_adapter.tuned(build(load("cranfield"), tmp_path), "cranfield")
    print(report.as_dict())
    dense, hybrid = report.rows
    assert dense.difference.mean >= 0.01 and dense.difference.low > 0
    assert hybrid.difference.mean >= 0 and report.better


def test_questions_of_another_collection_find_nothing(tmp_path: Path) -> None:
    names = ("cranfield", "xquad-en")
    collections = {name: load(name) for name in names}
    indexes = {name: build(collection, tmp_path / name) for name, collection in collections.items()}
    for index in names:
        for asked in names:
            queries = collections[asked].write_queries(tmp_path / "asked.jsonl")
            done = subprocess.run(
                [
                    sys.executable, "-m", "semsearch", "search", "--queries", str(queries), "--jsonl", "-k", "1",
                    "-i", str(indexes[index]),
                ],
                capture_output=True, text=True, encoding="utf-8",
            )  # fmt: skip
            found = {json.loads(line)["query_id"] for line in done.stdout.splitlines()}
            share = 1 - len(found) / len(collections[asked].queries)
            print(f"{asked} questions to {index}: {share:.1%} find nothing")
            assert share <= 0.05 if index == asked else share >= 0.8
