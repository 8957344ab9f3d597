"""What requests to every vector database have in common: how rows are cut, made fit to be stored, and how failures are
told."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from semsearch.errors import VectorEngineError
from semsearch.vector_engines.protocol import Payload

# The field beside each vector that filters compare: the chunk's id, which is also the id of the row.
CHUNK_ID = "chunk_id"
# Seconds until a server that says nothing is given up: to be connected, and for one request.
CONNECT_SECONDS = 10
REQUEST_SECONDS = 60
_LONGEST_MESSAGE = 300  # characters of what a server says

# What JSON and the text columns of databases cannot hold: NUL, and the halves of surrogate pairs that stand in the
# names of files that are not UTF-8.
_UNFIT = dict.fromkeys([0, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}")


def slices(length: int, most: int) -> Iterator[slice]:
    """`length` rows cut into slices of at most `most`."""
    for begin in range(0, length, most):
        yield slice(begin, min(begin + most, length))


def storable(payload: Payload) -> dict[str, str | int | float | bool | list[str]]:
    """`payload` with nothing in its texts that cannot be stored."""
    fit: dict[str, str | int | float | bool | list[str]] = {}
    for name, value in payload.items():
        if isinstance(value, str):
            fit[name] = value.translate(_UNFIT)
        elif isinstance(value, list):
            fit[name] = [item.translate(_UNFIT) for item in value]
        else:
            fit[name] = value
    return fit


def one_line(said: object, secrets: Iterable[str] = ()) -> str:
    """What a server or a client `said`, in one line that is not too long, without the `secrets`."""
    text = str(said)
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 3] + "..."


@contextmanager
def imports_of(engine: str, extra: str) -> Iterator[None]:
    """For the imports of an engine's client, which need not be installed."""
    try:
        yield
    except ImportError as error:
        raise VectorEngineError(
            f"the client for {engine} is not installed ({one_line(error)})", f"pip install 'semsearch[{extra}]'"
        ) from None
