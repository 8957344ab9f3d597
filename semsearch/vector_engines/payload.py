"""What engines with limits take of a payload: names that are free, numbers that are numbers, and not too many bytes."""

import json
from typing import TYPE_CHECKING

from semsearch.vector_engines.requests import apart, storable

if TYPE_CHECKING:
    from collections.abc import Collection

    from semsearch.vector_engines.protocol import Payload

    Value = str | int | float | bool | list[str]


def plain(payload: "Payload", reserved: "Collection[str]" = (), most_bytes: int | None = None) -> "dict[str, Value]":
    """`payload` as an engine can keep it beside its own fields `reserved`, in whose place it is named `NAME_`.

    Above `most_bytes` bytes of JSON the longest texts are cut.
    """
    fields: dict[str, Value] = {}
    for name, value in storable(payload).items():
        fields[apart(name + ("_" if name in reserved else ""), fields)] = value
    if most_bytes is not None:
        _cut(fields, most_bytes)
    return fields


def _cut(fields: "dict[str, Value]", most_bytes: int) -> None:
    """Makes `fields` fit into `most_bytes` bytes of JSON, each character of which is counted as JSON escapes it."""
    excess = json_bytes(fields) - most_bytes
    while excess > 0:
        name = max(fields, key=lambda name: json_bytes(fields[name]))
        value = fields[name]
        kept = _shortened(value, json_bytes(value) - excess) if isinstance(value, str) else ""
        if kept:
            fields[name] = kept
        else:
            del fields[name]
        excess = json_bytes(fields) - most_bytes


def _shortened(text: str, most_bytes: int) -> str:
    """The longest beginning of `text` that has at most `most_bytes` bytes as JSON, quotes included."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if json_bytes(text[:middle]) <= most_bytes:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def json_bytes(value: object) -> int:
    """How many bytes `value` has as JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False).encode())
