"""Reads the files of `--queries`."""

import json
import sys
from collections.abc import Iterable, Iterator

from semsearch.errors import UsageError


def read_queries(source: str) -> Iterator[tuple[str, str]]:
    """(id, text) of each query in the file `source` (`-`: standard input), read line by line.

    The file has JSON lines with `_id` and `text`, or plain lines, which are numbered from 1. Raises `UsageError` for an
    invalid line and for a file without queries.
    """
    if source == "-":
        yield from _parse(sys.stdin.buffer, "standard input")
    else:
        with open(source, "rb") as file:
            yield from _parse(file, source)


def _parse(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, str]]:
    count = 0
    is_jsonl = False
    for number, raw in enumerate(lines, 1):
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            continue
        count += 1
        is_jsonl = is_jsonl or (count == 1 and line.startswith("{"))
        if is_jsonl or line.startswith("{"):
            try:
                record = json.loads(line)
                text = record["text"]
                if not isinstance(text, str) or not text.strip():
                    raise ValueError("its text is empty")
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{name}, line {number}: not a query object: {error}", 'write {"_id": "1", "text": "..."}'
                ) from None
            yield str(record.get("_id", count)), text
        else:
            yield str(count), line
    if not count:
        raise UsageError(f"{name} holds no query", "write one query a line")
