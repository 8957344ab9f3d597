"""Where the real collections are and how one becomes a folder: BEIR layout, one text file a document."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

NAMES = ("cranfield", "xquad-en", "xquad-de", "xquad-zh")


def data_folder() -> Path | None:
    """The folder with `data/` and `folders/`: `SEMSEARCH_TEST_DATA`, or `../shared` beside the project."""
    chosen = os.environ.get("SEMSEARCH_TEST_DATA")
    path = Path(chosen) if chosen else Path(__file__).resolve().parents[3] / "shared"
    return path if (path / "data").is_dir() else None


def every_name() -> list[str]:
    """The names of all collections that are there."""
    folder = data_folder()
    return [] if folder is None else sorted(path.parent.name for path in folder.glob("data/*/corpus.jsonl"))


@dataclass(frozen=True)
class Collection:
    """A BEIR collection; `qrels` maps query id -> document id -> gain."""

    name: str
    documents: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    def write(self, folder: Path) -> Path:
        """One `ID.txt` a document: title, blank line, text."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, text in self.documents.items():
            (folder / f"{number}.txt").write_text(text, encoding="utf-8")
        return folder

    def write_queries(self, path: Path) -> Path:
        lines = [json.dumps({"_id": number, "text": text}) for number, text in self.queries.items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def load(name: str) -> Collection:
    folder = data_folder()
    assert folder is not None
    base = folder / "data" / name
    documents = {}
    for line in (base / "corpus.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        title = record.get("title") or ""
        documents[record["_id"]] = (title + "\n\n" if title else "") + record["text"]
    queries = {}
    for line in (base / "queries.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        queries[record["_id"]] = record["text"]
    qrels: dict[str, dict[str, int]] = {}
    for line in (base / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, gain = line.split("\t")
        qrels.setdefault(query, {})[document] = int(gain)
    return Collection(name, documents, queries, qrels)


def ndcg_at_10(run_file: Path, qrels: dict[str, dict[str, int]]) -> float:
    """nDCG@10 by ir-measures of a TREC run whose documents are `ID.txt`, over the queries that have qrels."""
    import ir_measures

    judged = [
        ir_measures.Qrel(query, document, gain)
        for query, of_query in qrels.items()
        for document, gain in of_query.items()
    ]
    run = []
    for line in run_file.read_text("utf-8").splitlines():
        query, _, document, _, score, _ = line.split()
        run.append(ir_measures.ScoredDoc(query, document.removesuffix(".txt"), float(score)))
    return float(ir_measures.calc_aggregate([ir_measures.nDCG @ 10], judged, run)[ir_measures.nDCG @ 10])
