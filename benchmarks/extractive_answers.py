"""How often `ask --no-llm` quotes a sentence that contains a gold answer, on XQuAD-en, with the real command.

python -m benchmarks.extractive_answers
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.retrieval_quality import build
from tests.support.real_collections import data_folder, load


def gold_answers() -> dict[str, list[str]]:
    """Query id -> gold answers in lower case."""
    folder = data_folder()
    assert folder is not None
    records = map(json.loads, (folder / "data" / "xquad-en" / "answers.jsonl").read_text("utf-8").splitlines())
    return {record["_id"]: [answer.lower() for answer in record["answers"]] for record in records}


def measure(index: Path, queries: Path) -> dict[str, float]:
    """Shares of the questions: a gold answer in the first quote, in one of the first three, and not answered."""
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", "ask", "--no-llm", "--queries", str(queries), "--jsonl", "-i", str(index)],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    gold = gold_answers()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
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


def main() -> None:
    collection = load("xquad-en")
    with tempfile.TemporaryDirectory() as folder:
        queries = collection.write_queries(Path(folder) / "queries.jsonl")
        for name, value in measure(build(collection, Path(folder)), queries).items():
            print(f"{name:<14} {value:.1%}")


if __name__ == "__main__":
    main()
