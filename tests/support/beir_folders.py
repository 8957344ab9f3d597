"""Labelled collections in the layout of BEIR."""

import json
from pathlib import Path


def beir(folder: Path, documents: dict[str, tuple[str, str]], queries: dict[str, str], qrels: list[str]) -> Path:
    """A collection in BEIR's layout; `documents`: id -> (title, text)."""
    (folder / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": number, "title": title, "text": text}) for number, (title, text) in documents.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    lines = [json.dumps({"_id": number, "text": text}) for number, text in queries.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(qrels) + "\n", "utf-8")
    return folder
