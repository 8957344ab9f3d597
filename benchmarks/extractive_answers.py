"""How often `ask --no-llm` quotes a gold answer, and `search` marks and shows one: XQuAD-en, the real command.

python -m benchmarks.extractive_answers
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.retrieval_quality import build
from tests.support.real_collections import data_folder, load


def gold_answers() -> dict[str, list[str]]:
    """Query id -> gold answers in lower case."""
    folder = data_folder()
    assert folder is not None
    records = map(json.loads, (folder / "data" / "xquad-en" / "answers.jsonl").read_text("utf-8").splitlines())
    return {record["_id"]: [answer.lower() for answer in record["answers"]] for record in records}


def semsearch(*arguments: str) -> list[dict[str, Any]]:
    """The records that the command prints, one a line."""
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure(index: Path, queries: Path) -> dict[str, float]:
    """Shares of the questions: a gold answer in the first quote, in one of the first three, and not answered."""
    gold = gold_answers()
    answers = semsearch("ask", "--no-llm", "--queries", str(queries), "--jsonl", "-i", str(index))
    assert len(answers) == len(gold)
    first = three = unanswered = 0
    for answer in answers:
        expected = gold[answer["query_id"]]
        quotes = [citation["quote"].lower() for citation in answer["citations"][:3]]
        held = [any(text in quote for text in expected) for quote in quotes]
        first += held[:1] == [True]
        three += any(held)
        unanswered += not answer["answered"]
    total = len(answers)
    return {"first quote": first / total, "first three": three / total, "not answered": unanswered / total}


def shown(index: Path, queries: Path) -> dict[str, float]:
    """Shares of the first hits that hold a gold answer: it stands in the marked sentence, and in the snippet."""
    gold = gold_answers()
    held = marked = seen = 0
    for hit in semsearch("search", "--queries", str(queries), "-k", "1", "--jsonl", "-i", str(index)):
        expected = [" ".join(text.split()) for text in gold[hit["query_id"]]]

        def holds(text: str, expected: list[str] = expected) -> bool:
            return any(answer in " ".join(text.lower().split()) for answer in expected)

        if holds(hit["text"]):
            held += 1
            start, end = hit["sentence"]["start"], hit["sentence"]["end"]
            marked += holds(hit["text"][start:end])
            seen += holds(hit["snippet"])
    return {"marked sentence": marked / held, "snippet": seen / held}


def main() -> None:
    collection = load("xquad-en")
    with tempfile.TemporaryDirectory() as folder:
        queries = collection.write_queries(Path(folder) / "queries.jsonl")
        index = build(collection, Path(folder))
        for name, value in {**measure(index, queries), **shown(index, queries)}.items():
            print(f"{name:<16} {value:.1%}")


if __name__ == "__main__":
    main()
