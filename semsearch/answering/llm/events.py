"""The body of a chat server's reply, in bytes as they come, as JSON records: server-sent events or one JSON text."""

import json
import re
from collections.abc import Iterable, Iterator

_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_DONE = b"[DONE]"
# The last value of a stream that says that it ends here.
END = object()


def read_records(parts: Iterable[bytes]) -> Iterator[object]:
    """The JSON values of a body, and `END` where it says so; the text itself where it is neither events nor JSON.

    What the body is, is told by how it begins: servers name another type than they send. Raises ValueError and
    RecursionError for an event that cannot be read, and what `parts` raises.
    """
    event: list[bytes] = []
    plain: list[bytes] = []
    streams = False
    for line in _lines(parts):
        if not streams and (plain or not (_FIELD.match(line) or not line.strip())):
            plain.append(line)
            continue
        streams = streams or bool(line.strip())
        if line.startswith(b"data:"):
            event.append(line[5:].strip())
            if event == [_DONE]:
                yield END
                return
            if len(event) > 1 or not event[0].startswith(b"{") or not event[0].endswith(b"}"):
                continue  # the event goes on, unless what is there is all of it
        elif line.strip():
            continue
        if event and any(event):
            yield json.loads(b"\n".join(event))
        event = []
    if event and any(event):
        yield json.loads(b"\n".join(event))
    if plain:
        yield _whole(b"\n".join(plain))


def _whole(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # a web page; a number of thousands of digits, lists in lists in lists
        return body.decode("utf-8", "replace")


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    for part in parts:
        first, *others = part.split(b"\n")
        pending.append(first)
        for line in others:
            yield b"".join(pending).rstrip(b"\r")
            pending = [line]
    yield b"".join(pending).rstrip(b"\r")
