"""Reads queries with relevance judgements: BEIR folders, TREC qrels."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote

from semsearch.errors import UsageError

# query id -> document id -> gain.
Qrels = dict[str, dict[str, int]]
# Characters of a file name; file systems allow 255 bytes.
_LONGEST_NAME = 200
_LARGEST_GAIN = 1000


@dataclass(frozen=True)
class Beir:
    """A collection in the layout of BEIR (Thakur et al. 2021): corpus.jsonl, queries.jsonl, qrels/test.tsv."""

    folder: str
    queries: dict[str, str]
    qrels: Qrels

    @staticmethod
    def open(folder: str) -> "Beir":
        """Reads queries and qrels. Raises `UsageError` for a folder that is not one."""
        names = [os.path.join(folder, "corpus.jsonl"), os.path.join(folder, "queries.jsonl")]
        missing = [name for name in names if not os.path.isfile(name)]
        judged = os.path.join(folder, "qrels", "test.tsv")
        if not os.path.isfile(judged):
            there = os.path.join(folder, "qrels")
            names_there = os.listdir(there) if os.path.isdir(there) else []
            others = sorted(name for name in names_there if name.endswith(".tsv"))
            if others:
                judged = os.path.join(there, others[0])
            else:
                missing.append(judged)
        if missing:
            raise UsageError(f"{missing[0]} is missing", "name a BEIR folder: corpus.jsonl, queries.jsonl, qrels/")
        qrels = read_qrels(judged)
        queries = {number: text for number, _, text in _records(names[1])}
        return Beir(folder, {number: text for number, text in queries.items() if number in qrels}, qrels)

    def write_documents(self, folder: str) -> int:
        """Writes each document of the corpus as a file of `folder`, title first; returns how many."""
        os.makedirs(folder, exist_ok=True)
        count = 0
        for number, title, text in _records(os.path.join(self.folder, "corpus.jsonl")):
            with open(os.path.join(folder, file_name(number)), "w", encoding="utf-8", errors="replace") as file:
                file.write((title + "\n\n" if title else "") + text)
            count += 1
        return count


def file_name(document: str) -> str:
    """The name of the file that holds the document with this id."""
    name = quote(document, safe=" +,=@")
    if len(name) > _LONGEST_NAME:
        name = name[:_LONGEST_NAME] + blake2b(document.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return ("_" if name.startswith(".") else "") + name + ".txt"


def read_qrels(path: str) -> Qrels:
    """query id -> document id -> gain, of a TREC file (query 0 document gain) or BEIR's (query document score)."""
    qrels: Qrels = {}
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            parts = line.rstrip("\n").split("\t") if "\t" in line else line.split()
            if not line.strip() or (number == 1 and parts[-1:] == ["score"]):
                continue
            try:
                query, document, gain = (parts[0], parts[2], parts[3]) if len(parts) == 4 else parts
                value = float(gain)
                if not value.is_integer() or abs(value) > _LARGEST_GAIN:
                    raise ValueError
                qrels.setdefault(query, {})[document] = int(value)
            except ValueError:
                raise UsageError(
                    f"{path}, line {number}: not a judgement: {line.strip()[:60]}",
                    "write QUERY 0 DOCUMENT GAIN (TREC) or QUERY, DOCUMENT, GAIN with tabs (BEIR); whole GAIN",
                ) from None
    if not any(gain > 0 for judged in qrels.values() for gain in judged.values()):
        raise UsageError(f"{path} judges no document relevant", "check that it is a qrels file")
    return qrels


def numbered_lines(path: str) -> Iterator[tuple[int, str]]:
    """(number, line) of each line of the file at `path` that is not blank."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _records(path: str) -> Iterator[tuple[str, str, str]]:
    """(id, title, text) of each JSON line."""
    for number, line in numbered_lines(path):
        try:
            record = json.loads(line)
            yield str(record["_id"]), str(record.get("title") or ""), str(record["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}, line {number}: not a record: {error}", "BEIR has _id and text") from None
