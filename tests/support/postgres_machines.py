"""Several machines that share an index in PostgreSQL, played by processes of this one, and what must hold of it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.commands import Completed, hear_signals
from tests.support.folders import PROJECT

QUERIES = ("who paints boats near the harbour", "bread at the market", "horses in winter", "a letter hidden")
# What no run may leave behind: (what is wrong, what finds it).
_PROBLEMS = (
    ("the number of chunks", "SELECT 1 FROM state WHERE chunks <> (SELECT count(*) FROM chunks)"),
    ("the number of terms", "SELECT 1 FROM state WHERE terms <> (SELECT coalesce(sum(terms), 0) FROM chunks)"),
    ("the number of files", "SELECT 1 FROM state WHERE (indexed, skipped, failed) <> (SELECT count(*) FILTER"
     " (WHERE status = 'indexed'), count(*) FILTER (WHERE status = 'skipped'), count(*) FILTER (WHERE status ="
     " 'failed') FROM files)"),
    ("a vector of no chunk", "SELECT chunk_id FROM vectors WHERE chunk_id NOT IN (SELECT id FROM chunks)"),
    ("no chunk that is to be encoded", "SELECT chunk_id FROM encode_queue WHERE chunk_id NOT IN"
     " (SELECT id FROM chunks)"),
    ("a chunk without a vector that nobody encodes", "SELECT id FROM chunks WHERE id NOT IN (SELECT chunk_id FROM"
     " vectors) AND id NOT IN (SELECT chunk_id FROM encode_queue)"),
    ("a chunk that is encoded twice", "SELECT chunk_id FROM vectors JOIN encode_queue USING (chunk_id)"),
    ("a chunk of no file", "SELECT id FROM chunks WHERE file_id NOT IN (SELECT id FROM files)"),
    ("a file with other chunks", "SELECT id FROM files WHERE chunk_count <> (SELECT count(*) FROM chunks WHERE"
     " file_id = files.id)"),
    ("a file of no folder", "SELECT id FROM files WHERE root_id NOT IN (SELECT id FROM roots)"),
    ("chunks without postings", "SELECT 1 FROM state WHERE chunks <>"
     " (SELECT coalesce(sum(chunks - length(dead) / 4), 0) FROM segments)"),
    ("postings of no segment", "SELECT segment_id FROM postings WHERE segment_id NOT IN (SELECT id FROM segments)"),
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A machine called `host` that knows the index at `url`; `environment`: more variables of its processes."""

    host: str
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: object) -> Completed:
        """What `semsearch ARGUMENT... -i URL` did."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err, err
        return Completed(process.returncode, out, err)

    def without_index(self, *arguments: object) -> Completed:
        """What `semsearch ARGUMENT...` did, where no index is named."""
        process = subprocess.run(
            [sys.executable, "-m", "semsearch", *map(str, arguments)],
            capture_output=True, text=True, timeout=240,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_HOST": self.host, **self.environment},
        )  # fmt: skip
        return Completed(process.returncode, process.stdout, process.stderr)

    def start(self, *arguments: object, module: Sequence[str] = ("semsearch",)) -> "subprocess.Popen[str]":
        """The process of `semsearch ARGUMENT... -i URL`, or of another `module` with its arguments before."""
        return subprocess.Popen(
            [sys.executable, "-m", *module, *map(str, arguments), "-i", self.url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_HOST": self.host, **self.environment},
            preexec_fn=hear_signals,
        )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> Completed:
    """What the command in `process` did."""
    out, err = process.communicate(timeout=240)
    return Completed(process.returncode, out, err)


def ask(url: str, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """The rows of `statement` on the tables of the index at `url`, which has the usual schema."""
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        connection.execute("SET search_path = semsearch, public")
        cursor = connection.execute(statement.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def as_of_the_first_format(url: str) -> None:
    """Takes back what later formats of the tables have added."""
    ask(url, "DROP TABLE vectors_untold")
    ask(url, "ALTER TABLE postings DROP COLUMN held")
    ask(url, "UPDATE state SET format = 1")


def problems(url: str) -> list[str]:
    """What is wrong with the tables of the index at `url`."""
    return [what for what, query in _PROBLEMS if ask(url, query)]


# (query, mode) -> (path, text, score) of what is found.
Answers = dict[tuple[str, str], list[tuple[str, str, float]]]


def answers(index: str | Path) -> Answers:
    """All that is found, in an order that does not depend on ids."""
    found = {}
    with Searcher(str(index), remember=False) as searcher:
        for query in QUERIES:
            for mode in ("lexical", "dense"):
                options = SearchOptions(mode=mode, k=1000, fold=False, min_score=0, snippets=False)
                hits = searcher.search(query, options).hits
                found[query, mode] = sorted((hit.path, hit.text, hit.score) for hit in hits)
    return found


def difference(found: Answers, wanted: Answers) -> str:
    """What is found otherwise; scores may differ by what adding up numbers in another order makes of them."""
    for key, hits in wanted.items():
        if [hit[:2] for hit in found[key]] != [hit[:2] for hit in hits]:
            return f"{key}: other passages"
        for one, other in zip(found[key], hits, strict=True):
            if abs(one[2] - other[2]) > 1e-4:
                return f"{key}: {one[0]}: {one[2]} and not {other[2]}"
    return ""


def counts(url: str) -> tuple[object, ...]:
    """Files by status, chunks, terms, and chunks without a vector."""
    (row,) = ask(url, "SELECT indexed, skipped, failed, chunks, terms, (SELECT count(*) FROM encode_queue) FROM state")
    return row
