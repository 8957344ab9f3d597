"""Lexical segments: `bm25.pkl` (two pickles: sizes; arrays by name) and `bm25.bin` (the arrays' bytes, mapped)."""

import io
import os
import pickle
from typing import Any

import numpy as np

from semsearch.lexical.postings import Postings
from semsearch.shortage import shortage_of
from semsearch.store.local.damage import unreadable_as_damage
from semsearch.store.local.segment_folder import FileList, checked_folder, damaged_segment, map_array, write_folder

_ALIGNMENT = 64
_DTYPES = {
    "ids": "<i8", "lengths": "<i4", "term_bytes": "|u1", "term_offsets": "<i8", "indptr": "<i8", "rows": "<i4",
    "tfs": "<u2",
}  # fmt: skip


def write_lexical(index: str, name: str, postings: Postings) -> FileList:
    """Writes `postings` as segment `name` of the index folder `index`."""
    buffers: list[pickle.PickleBuffer] = []
    arrays = {
        key: pickle.PickleBuffer(np.ascontiguousarray(array, _DTYPES[key]).view(np.uint8).data)
        for key, array in postings.arrays().items()
    }
    body = pickle.dumps(
        {"format": 1, "languages": list(postings.languages), "arrays": arrays},
        protocol=5,
        buffer_callback=buffers.append,
    )
    raw = [buffer.raw() for buffer in buffers]
    data = bytearray()
    for part in raw:
        data += part
        data += bytes(-len(data) % _ALIGNMENT)
    head = pickle.dumps({"sizes": [len(part) for part in raw]}, protocol=5)
    return write_folder(index, name, {"bm25.pkl": head + body, "bm25.bin": bytes(data) or bytes(_ALIGNMENT)})


def open_lexical(index: str, name: str, rows: int, files: FileList) -> Postings:
    """The mapped postings of segment `name`; `rows` and `files` are what the catalog says of it."""
    folder = checked_folder(index, name, files)
    with unreadable_as_damage(index), open(os.path.join(folder, "bm25.pkl"), "rb") as file:
        state = file.read()
    data = map_array(folder, "bm25.bin", "|u1").data
    try:
        stream = io.BytesIO(state)
        sizes = _DataUnpickler(stream).load()["sizes"]
        views, offset = [], 0
        for size in sizes:
            views.append(data[offset : offset + size])
            offset += size + -size % _ALIGNMENT
        loaded = _DataUnpickler(stream, buffers=views).load()
        languages = tuple(loaded["languages"])
        if not all(type(code) is str for code in languages):
            raise TypeError("a language is no text")  # not told: lists in lists may be longer as text than any memory
        arrays: dict[str, Any] = {key: np.frombuffer(loaded["arrays"][key], _DTYPES[key]) for key in _DTYPES}
        postings = Postings(languages=languages, **arrays)
    except Exception as error:  # a damaged pickle can raise anything
        if not isinstance(error, MemoryError) and shortage_of(error):  # it may as well ask for all memory
            raise
        raise damaged_segment(folder, f"{type(error).__name__}: {error}") from None
    terms = len(postings.indptr) - 1
    if not (
        len(postings.ids) == len(postings.lengths) == rows
        and len(postings.term_offsets) == terms + 1 > 0
        and postings.term_offsets[-1] == len(postings.term_bytes)
        and postings.indptr[-1] == len(postings.rows) == len(postings.tfs)
    ):
        raise damaged_segment(folder, "its arrays do not fit together")
    return postings


_OPCODES = (
    pickle.PROTO, pickle.FRAME, pickle.MARK, pickle.EMPTY_DICT, pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS,
    pickle.SETITEM, pickle.SETITEMS, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1,
    pickle.SHORT_BINUNICODE, pickle.MEMOIZE, pickle.BINGET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.STOP,
)  # fmt: skip


class _Known(dict[int, Any]):
    def __missing__(self, code: int) -> Any:
        raise pickle.UnpicklingError(f"refused to load what the opcode {code} stands for from an index")


class _DataUnpickler(pickle._Unpickler):
    """Loads numbers, short texts, lists, dicts and buffers: what `write_lexical` writes. Any other opcode is refused.

    An index folder may come from anywhere, and a pickle can otherwise run code, or make the unpickler in C allocate
    gigabytes by the number of a memo entry. Arrays are kept as dtype-less buffers, so that not even numpy's
    constructors are needed.
    """

    dispatch = _Known({code[0]: pickle._Unpickler.dispatch[code[0]] for code in _OPCODES})
