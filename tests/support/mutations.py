"""Segments that were changed, and whose sizes and checksums were made to fit: every command ends as it should.

    python -m tests.support.mutations [--mutations 2000] [--seed 1] [--only NUMBER]

Headers, counts, offsets, dimensions and sizes are set to 0, -1, 1, one more, one less, the largest; arrays and files
are cut off, made longer and swapped; pickles hold what they must not. Of every kind of segment there is. After each
mutation searches, `ask`, `status`, `verify`, `index` and at times a repair and `quantize` run, in forked children with
limits, of every 50th mutation as processes of their own. None may crash, call itself defect, take 5 s or 1 GB, or
change a file that is not the index's.
"""

import base64
import json
import os
import pickle
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from semsearch.settings import CATALOG_FILE
from semsearch.store.local.checksum import write_checksum
from semsearch.store.local.segment_folder import SEGMENTS_FOLDER
from tests.support import forked
from tests.support.made_texts import texts

SECONDS, MEMORY = 5, 1 << 30
_REAL_ONE_IN = 50
_ALIGNMENT = 64
_ARRAYS = {
    "ids": "<i8", "lengths": "<i4", "term_bytes": "|u1", "term_offsets": "<i8", "indptr": "<i8", "rows": "<i4",
    "tfs": "<u2",
}  # fmt: skip
_CELLS = {"centroids": "<f4", "offsets": "<i8", "order": "<i4"}
_LARGE = (2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, -(2**31), -(2**63))

# name -> options of `quantize`; pq learns from 624 vectors or more.
KINDS: dict[str, dict[str, Any]] = {
    "float16": {},
    "float32": {"kind": "float32"},
    **{kind: {"kind": kind} for kind in ("int8", "int4", "rabitq", "binary", "pq")},
    **{f"{kind} alone": {"kind": kind, "keep_original": False} for kind in ("int8", "int4", "rabitq", "binary", "pq")},
    "int8 in cells": {"kind": "int8", "ann": "ivf"},
    "cells": {"ann": "ivf"},
    "short codes": {"kind": "int8", "dim": 64},
    "short vectors": {"kind": "float16", "dim": 64, "keep_original": False},
    "codes by size": {},
}


# -- indexes ---------------------------------------------------------------------------------------------------------


@contextmanager
def thresholds(kind: str) -> Iterator[None]:
    """Small segments have cells, and codes by their size, as large ones do."""
    from semsearch.dense import cells, vector_format

    before = cells.FEWEST_ROWS, vector_format.CROSSOVER
    cells.FEWEST_ROWS = 16
    vector_format.CROSSOVER = 1 if kind == "codes by size" else before[1]
    try:
        yield
    finally:
        cells.FEWEST_ROWS, vector_format.CROSSOVER = before


def _make(base: Path, kind: str) -> None:
    """A folder with an index in it of two segments of each leg, of which rows are deleted, and its next run merges."""
    from semsearch.indexing import IndexOptions, index_folders
    from semsearch.maintenance.quantization import QuantizeOptions, quantize

    folder = base / kind
    folder.mkdir()
    index = str(folder / ".semsearch")
    many = 640 if "pq" in kind else 24
    with thresholds(kind):
        for seed, count in ((1, many), (2, 20)):
            for name, text in texts(count, seed).items():
                (folder / name).write_text(text)
                os.utime(folder / name, (1.7e9, 1.7e9))
            index_folders([str(folder)], index, IndexOptions(model="static" if seed == 1 else None))
        for number in range(0, 20, 4):
            (folder / f"1-{number}.txt").unlink()
        index_folders([], index, IndexOptions())
        if KINDS[kind]:
            options = QuantizeOptions(**KINDS[kind], queries=10, max_loss=0.99)
            assert quantize(index, options).changed, kind
    for number in range(1, 20, 2):
        (folder / f"2-{number}.txt").unlink()
    (folder / "new.txt").write_text("A sailor sells old maps near the harbour.\n")


def _copy(source: Path, target: Path) -> None:
    """A copy of a folder with its index; the documents are the same files."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in source.iterdir():
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        else:
            os.link(path, target / path.name)


def _stamps(*folders: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if ".semsearch" not in path.parts:
                status = path.lstat()
                found[str(path)] = status.st_ino, status.st_size, status.st_mtime_ns
    return found


# -- mutations -------------------------------------------------------------------------------------------------------


@dataclass
class Target:
    """The index that is changed. `canary`: a file that must never be made; `round`: how often all mutations have been
    before; `done`: what was changed, for people.
    """

    index: Path
    chance: random.Random
    canary: Path
    round: int = 0
    done: str = ""

    def folder(self, kind: str) -> Path:
        return self.chance.choice(sorted((self.index / SEGMENTS_FOLDER).glob(f"{kind}-*")))

    def file(self, *names: str) -> Path | None:
        found = [path for name in names for path in sorted((self.index / SEGMENTS_FOLDER).glob(name))]
        return self.chance.choice(found) if found else None

    def sql(self, statement: str, *values: object) -> None:
        connection = sqlite3.connect(self.index / CATALOG_FILE)
        with connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute(statement, values)
        connection.close()

    def setting(self, key: str) -> Any:
        connection = sqlite3.connect(self.index / CATALOG_FILE)
        row = connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        connection.close()
        return row and json.loads(row[0])

    def special(self, value: int) -> int:
        """A number that a bounds check might miss."""
        near = (0, -1, 1, value - 1, value + 1, 2 * value, value // 2, -value)
        return self.chance.choice((*near, *near, *_LARGE, self.chance.getrandbits(63)))


def _wrapped(number: int, size: int) -> bytes:
    return (number & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _array(target: Target, data: bytes, dtype: str) -> tuple[bytes, str]:
    """The bytes of an array with some numbers changed, cut off, longer, or of another order."""
    chance, array = target.chance, np.frombuffer(data, dtype).copy()
    how = chance.choice(("one", "one", "one", "all", "cut", "longer", "sorted", "empty", "half a number", "noise"))
    if how == "one" and len(array):
        at = chance.choice((0, len(array) - 1, chance.randrange(len(array))))
        if array.dtype.kind == "f":
            array[at] = value = chance.choice((np.nan, np.inf, -np.inf, 3e38, 0, -1))
        else:
            value = target.special(int(array[at]))
            array[at : at + 1] = np.frombuffer(_wrapped(value, array.itemsize), dtype)
        return array.tobytes(), f"[{at}] = {value}"
    if how == "all" and len(array):
        filling = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80"))
        return filling * len(data), f"all {filling.hex()}"
    if how == "cut":
        kept = chance.choice((1, len(array) // 2, max(0, len(array) - 1)))
        return array[:kept].tobytes(), f"cut to {kept} of {len(array)}"
    if how == "longer":
        return data + data[-array.itemsize * chance.choice((1, 8, 1000)) :], "longer"
    if how == "sorted" and array.dtype.kind != "f":
        return np.sort(array)[:: chance.choice((1, -1))].tobytes(), "sorted"
    if how == "half a number":
        return data + b"\1", "half a number more"
    if how == "noise":
        return chance.randbytes(len(data)), "noise"
    return b"", "empty"


def _lexical(folder: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    from semsearch.store.local.lexical_segment import open_lexical

    files = {path.name: (path.stat().st_size, "") for path in folder.iterdir()}
    connection = sqlite3.connect(folder.parent.parent / CATALOG_FILE)
    (rows,) = connection.execute("SELECT rows FROM segments WHERE name = ?", (folder.name,)).fetchone()
    connection.close()
    postings = open_lexical(str(folder.parent.parent), folder.name, rows, files)
    return {key: array.tobytes() for key, array in postings.arrays().items()}, postings.languages


def _write_lexical(
    folder: Path,
    arrays: dict[str, bytes],
    languages: Any,
    sizes: Any = None,
    body: Callable[[dict[str, Any]], Any] = lambda state: state,
    head: Any = None,
) -> None:
    """Writes a lexical segment as the store does; `sizes` in place of those of the arrays, `body` changes the rest."""
    buffers: list[pickle.PickleBuffer] = []
    held = {key: pickle.PickleBuffer(data) for key, data in arrays.items()}
    state = body({"format": 1, "languages": list(languages), "arrays": held})
    dumped = state if isinstance(state, bytes) else pickle.dumps(state, protocol=5, buffer_callback=buffers.append)
    data = b"".join(part + bytes(-len(part) % _ALIGNMENT) for part in arrays.values())
    first = (
        head
        if isinstance(head, bytes)
        else pickle.dumps({"sizes": [len(part) for part in arrays.values()] if sizes is None else sizes}, protocol=5)
    )
    (folder / "bm25.pkl").write_bytes(first + dumped)
    (folder / "bm25.bin").write_bytes(data or bytes(_ALIGNMENT))


def lexical_array(target: Target) -> None:
    folder = target.folder("lex")
    arrays, languages = _lexical(folder)
    name = target.chance.choice(list(_ARRAYS))
    arrays[name], what = _array(target, arrays[name], _ARRAYS[name])
    target.done = f"{folder.name} {name} {what}"
    _write_lexical(folder, arrays, languages)


def lexical_sizes(target: Target) -> None:
    folder, chance = target.folder("lex"), target.chance
    arrays, languages = _lexical(folder)
    sizes: Any = [len(part) for part in arrays.values()]
    at = chance.randrange(len(sizes))
    how = chance.choice(("number", "number", "number", "type", "fewer", "more", "many", "none"))
    if how == "number":
        sizes[at] = target.special(sizes[at])
    elif how == "type":
        sizes[at] = chance.choice((None, "8", 1.5, float("nan"), float("inf"), [], {}, True, 1 << 200, -(1 << 200)))
    elif how == "fewer":
        del sizes[at:]
    elif how == "more":
        sizes += [chance.choice((0, 1, 64, 2**40))] * chance.choice((1, 7, 1000))
    elif how == "many":
        sizes = [0] * 300_000
    else:
        sizes = chance.choice((None, 7, "sizes", {}, {0: 1}, b"\1\2\3", 1e300))
    target.done = f"{folder.name} sizes {str(sizes)[:80]}"
    _write_lexical(folder, arrays, languages, sizes)


def lexical_body(target: Target) -> None:
    folder, chance = target.folder("lex"), target.chance
    arrays, languages = _lexical(folder)
    name = chance.choice(list(_ARRAYS))
    doubled: Any = ["long"]
    for _ in range(chance.choice((5, 30))):
        doubled = [doubled, doubled]
    odd = chance.choice((None, 7, -1, "text", b"bytes", b"", [], {}, [1, 2], 1.5, True, doubled, 1 << 100_000,
                         bytearray(8), frozenset(), set(), (), "x" * 100_000))  # fmt: skip
    how = chance.choice(("array", "array gone", "languages", "format", "arrays", "key", "state", "swap"))

    def body(state: dict[str, Any]) -> Any:
        if how == "array":
            state["arrays"][name] = odd
        elif how == "array gone":
            del state["arrays"][name]
        elif how == "languages":
            state["languages"] = chance.choice((odd, [odd], [[odd]] * 3, {1: odd}))
        elif how == "format":
            state["format"] = odd
        elif how == "arrays":
            state["arrays"] = chance.choice((odd, list(state["arrays"].values())))
        elif how == "key":
            del state[chance.choice(list(state))]
        elif how == "swap":
            other = chance.choice(list(_ARRAYS))
            held = state["arrays"]
            held[name], held[other] = held[other], held[name]
            return state
        else:
            return odd if not isinstance(odd, bytes) else [odd]
        return state

    target.done = f"{folder.name} body: {how} {name} {type(odd)!s}"
    _write_lexical(folder, arrays, languages, body=body)


def _bombs(canary: str) -> dict[str, bytes]:
    """Pickles that run something, or ask for more than they hold."""
    touch, name = f"touch {canary}".encode(), canary.encode()
    doubling = b"]" + b"".join(b"q%c](h%ch%ce" % (n, n, n) for n in range(60))
    state = {"format": 1, "arrays": dict.fromkeys(_ARRAYS, b""), "languages": "DOUBLING"}
    doubled = pickle.dumps(state, protocol=3)
    return {
        "global": b"cos\nsystem\n(S'" + touch + b"'\ntR.",
        "global in a list": b"\x80\2](cos\nsystem\n(S'" + touch + b"'\ntRe.",
        "stack global": b"\x80\4\x8c\2os\x8c\6system\x93\x8c" + bytes([len(touch)]) + touch + b"\x85R.",
        "inst": b"(S'" + touch + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nS'" + touch + b"'\no.",
        "newobj": b"\x80\2cio\nFileIO\n(S'" + name + b"'\nS'w'\nt\x81.",
        "newobj_ex": b"\x80\4cio\nFileIO\n(S'" + name + b"'\nS'w'\nt}\x92.",
        "build": b"\x80\2]}X\1\0\0\0aK\1sb.",
        "extension": b"\x80\2\x82\1.",
        "extension 4": b"\x80\2\x84\xff\xff\xff\x7f.",
        "persistent": b"P" + name + b"\n.",
        "binary persistent": b"\x80\2K\1Q.",
        "memo of 256 million": b"]r\0\0\0\x10.",
        "memo of 2 billion": b"]r\xff\xff\xff\x7f.",
        "memo by text": b"]p400000000\n.",
        "lists in lists": b"]" * 300_000 + b"a" * 299_999 + b".",
        "tuples in tuples": b")" + b"\x85" * 2_000_000 + b".",
        "doubling sizes": b"}X\5\0\0\0sizes" + doubling + b"s.",
        "doubling languages": doubled.replace(b"X\x08\0\0\0DOUBLING", doubling),
        "text of 1 TB": b"\x80\4\x8d" + (1 << 40).to_bytes(8, "little") + b"x.",
        "bytes of 8 GB": b"\x80\4\x8e" + (1 << 33).to_bytes(8, "little") + b"x.",
        "bytearray of 4 GB": b"\x80\5\x96" + (1 << 32).to_bytes(8, "little") + b"x.",
        "bytearray of 2 GB": b"\x80\5\x96" + (1 << 31).to_bytes(8, "little") + b"x.",
        "number of 2 GB": b"\x80\2\x8b\xff\xff\xff\x7f1.",
        "frame of 4 EB": b"\x80\4\x95" + (1 << 62).to_bytes(8, "little") + b"N.",
        "long text number": b"L" + b"9" * 4_000_000 + b"L\n.",
        "number of 4 MB": b"\x80\2\x8b\0\0\x40\0" + b"\x7f" * (1 << 22) + b".",
        "marks": b"(" * 5_000_000 + b".",
        "no stop": b"\x80\5}",
        "nothing": b"",
        "unknown get": b"h\7.",
        "stack underflow": b"aaaa.",
        "no such protocol": b"\x80\xff.",
        "read only buffer": b"\x80\5\x97\x98.",
        "no buffer": b"\x80\5" + b"\x97" * 100 + b"N.",
    }


def lexical_pickle(target: Target) -> None:
    folder, chance = target.folder("lex"), target.chance
    arrays, languages = _lexical(folder)
    bombs = _bombs(str(target.canary))
    name = list(bombs)[target.round % len(bombs)]
    where = chance.choice(("head", "body"))
    target.done = f"{folder.name} {where}: {name}"
    if where == "head":
        _write_lexical(folder, arrays, languages, head=bombs[name])
    else:
        _write_lexical(folder, arrays, languages, body=lambda state: bombs[name])


def lexical_bytes(target: Target) -> None:
    """A byte of a pickle, which may become another opcode or another size."""
    path = target.folder("lex") / "bm25.pkl"
    data = bytearray(path.read_bytes())
    at = target.chance.randrange(len(data))
    data[at : at + 1] = bytes([target.chance.choice((0, 0xFF, 0x7F, data[at] ^ 1, *b"(]}Nr.\x96\x97\x8b\x8d"))])
    if target.chance.random() < 0.2:
        del data[at : at + target.chance.choice((1, 2, 10, len(data)))]
    target.done = f"{path.parent.name} {path.name} byte {at}"
    path.write_bytes(data)


def faiss_head(target: Target) -> None:
    path = target.file("vec-*/*.faiss")
    assert path is not None
    chance, data = target.chance, bytearray(path.read_bytes())
    size = chance.choice((1, 4, 4, 8, 8))
    # The fields of a head stand one after the other from its name of four letters on, and begin at any multiple of 1.
    from_end = chance.random() < 0.15
    at = max(0, len(data) - chance.randrange(size, 80)) if from_end else 4 + chance.randrange(0, 120)
    at = min(at, len(data) - size)
    value = target.special(int.from_bytes(data[at : at + size], "little"))
    data[at : at + size] = _wrapped(value, size)
    target.done = f"{path.parent.name}/{path.name} {size} bytes at {at} = {value}"
    path.write_bytes(data)


def faiss_kind(target: Target) -> None:
    """Another FAISS index in the place of the right one, with as many vectors, or another name at its head."""
    import faiss

    path = target.file("vec-*/*.faiss")
    assert path is not None
    chance = target.chance
    if chance.random() < 0.4:
        data = bytearray(path.read_bytes())
        name = chance.choice((b"IxFI", b"IxF2", b"IxFl", b"IxSQ", b"IwFl", b"IHNf", b"IHNs", b"IxMp", b"IxM2", b"IwPf",
                              b"IBxF", b"Ixrq", b"IxPT", b"IxRF", b"IwSq", b"ilar", b"null", b"\0\0\0\0"))  # fmt: skip
        data[:4] = name
        target.done = f"{path.parent.name}/{path.name} is called {name!r}"
        path.write_bytes(data)
        return
    rows, dim = chance.choice((1, 24, 39)), chance.choice((8, 64, 256))
    vectors = np.random.default_rng(1).standard_normal((max(rows, 39), dim)).astype(np.float32)
    made = chance.choice(
        ("Flat", "HNSW8,Flat", "IVF4,Flat", "SQ8", "PQ4x4fs", "LSH", "IDMap,Flat", "PCA4,Flat", "SQfp16")
    )
    index = faiss.index_factory(dim, made)
    index.train(vectors)
    index.add_with_ids(vectors, np.arange(len(vectors))) if made.startswith("IDMap") else index.add(vectors)
    target.done = f"{path.parent.name}/{path.name} is a {made} of {len(vectors)} x {dim}"
    path.write_bytes(faiss.serialize_index(index).tobytes())


def faiss_content(target: Target) -> None:
    path = target.file("vec-*/*.faiss")
    assert path is not None
    chance, data = target.chance, path.read_bytes()
    how = chance.choice(("cut", "longer", "noise", "ones", "nan", "empty", "head only", "twice"))
    if how == "cut":
        data = data[: chance.choice((1, 4, 12, len(data) // 2, len(data) - 1, chance.randrange(len(data))))]
    elif how == "longer":
        data += bytes(chance.choice((1, 8, 512, 100_000)))
    elif how in ("noise", "ones", "nan"):
        begin = len(data) // 3
        part = len(data) - begin
        filling = {"ones": b"\xff" * part, "nan": b"\x00\x7e\xc0\x7f" * (part // 4 + 1)}.get(
            how, chance.randbytes(part)
        )
        data = data[:begin] + filling[:part]
    elif how == "empty":
        data = b""
    elif how == "head only":
        data = data[:60]
    else:
        data += data
    target.done = f"{path.parent.name}/{path.name} {how}"
    path.write_bytes(data)


def dense_ids(target: Target) -> None:
    path = target.folder("vec") / "ids.bin"
    data, what = _array(target, path.read_bytes(), "<i8")
    target.done = f"{path.parent.name}/ids.bin {what}"
    path.write_bytes(data)


def dense_cells(target: Target) -> None:
    path = target.file(*(f"vec-*/{name}.bin" for name in _CELLS))
    if path is None:
        return faiss_head(target)
    data, what = _array(target, path.read_bytes(), _CELLS[path.stem])
    target.done = f"{path.parent.name}/{path.name} {what}"
    path.write_bytes(data)
    return None


def swapped(target: Target) -> None:
    """Files of two segments in each other's place, or two files of one segment."""
    chance = target.chance
    paths = sorted(path for path in (target.index / SEGMENTS_FOLDER).rglob("*") if path.is_file())
    one = chance.choice(paths)
    other = chance.choice([path for path in paths if path != one and (path.name == one.name or chance.random() < 0.3)])
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    target.done = f"{one.parent.name}/{one.name} and {other.parent.name}/{other.name} swapped"


def segment_row(target: Target) -> None:
    """What the catalog says of a segment: its rows, ids, deletions, kind, name and files."""
    chance = target.chance
    connection = sqlite3.connect(target.index / CATALOG_FILE)
    connection.row_factory = sqlite3.Row
    row = chance.choice(connection.execute("SELECT * FROM segments").fetchall())
    connection.close()
    column = chance.choice(
        ("rows", "rows", "first_id", "last_id", "dead", "dead", "dead_count", "kind", "name", "files", "id")
    )
    value: Any
    if column in ("rows", "first_id", "last_id", "dead_count", "id"):
        value = max(-(2**63), min(2**63 - 1, target.special(row[column])))
    elif column == "dead":
        size = (row["rows"] + 7) // 8
        value = chance.choice((None, b"", b"\xff" * size, b"\0" * size, b"\xff" * (size + 1), b"\1" * (size - 1)))
    elif column == "kind":
        value = chance.choice([kind for kind in ("lex", "vec", "") if kind != row["kind"]])
    elif column == "name":
        value = chance.choice((f"../segments/{row['name']}", "../..", "", ".", "/etc", f"{row['name']}/.", "x" * 5000,
                               "vec-000099", "lex-000099", "a\0b"))  # fmt: skip
    else:
        files = json.loads(row["files"])
        name = chance.choice(list(files))
        odd = chance.choice(("gone", "size", "digest", "outside", "more", "code kind"))
        if odd == "gone":
            del files[name]
        elif odd == "size":
            files[name][0] = chance.choice((0, -1, 2**63, 1e300, True, target.special(files[name][0])))
        elif odd == "digest":
            files[name][1] = chance.choice(("", "00" * 16, "é", "x" * 100_000))
        elif odd == "outside":
            files[chance.choice(("../../../new.txt", "/etc/passwd", "a\0b", "..", "", "x" * 300))] = files[name]
        elif odd == "more":
            files.update({f"{number}.bin": [0, ""] for number in range(20_000)})
        else:
            files[chance.choice(("pq.faiss", "rabitq.faiss", "binary.faiss", "int8.faiss"))] = files[name]
        value = json.dumps(files)
    target.done = f"{row['name']} {column} = {str(value)[:80]}"
    target.sql(f"UPDATE OR REPLACE segments SET {column} = ? WHERE id = ?", value, row["id"])


def vectors_record(target: Target) -> None:
    """What the catalog says of how the vectors are kept, and of their model."""
    chance, key = target.chance, "vectors"
    record = target.setting(key)
    if record is None or chance.random() < 0.15:
        key = "model"
        record = target.setting(key)
        name = chance.choice(("dim", "dim", "window", "pooling", "runtime", "calibration"))
        record[name] = chance.choice((0, -1, 1, 255, 257, 2**31, 2**62, "x", None, 1.5, {}, []))
    else:
        name = chance.choice(("full_dim", "store", "codes", "ann", "loss", "learnt_from", "projection", "trained"))
        if name in ("full_dim", "learnt_from"):
            record[name] = target.special(record[name])
        elif name in ("store", "codes"):
            record[name] = chance.choice(
                ("float32", "float16", "int8", "int4", "rabitq", "binary", "pq", "", None, 7, "x")
            )
        elif name == "ann":
            record[name] = chance.choice(("auto", "exact", "ivf", "hnsw", None, 7))
        elif name == "loss":
            record[name] = chance.choice((float("nan"), float("inf"), -1, 2, "x", None, 1e300))
        elif name == "projection":
            numbers = np.ones(64 * 256, "<f4")
            numbers[0] = chance.choice((np.nan, np.inf, 1))
            directions = base64.b64encode(numbers.tobytes()).decode()
            record[name] = chance.choice((
                None, {}, {"dim": 0, "directions": None}, {"dim": -1, "directions": None},
                {"dim": 2**40, "directions": None}, {"dim": 64, "directions": directions},
                {"dim": 64, "directions": ""}, {"dim": 8, "directions": None},
                {"dim": "64", "directions": directions}, 7, [],
            ))  # fmt: skip
        else:
            role = chance.choice(("store", "codes"))
            arrays = dict(record["trained"].get(role) or {"ranges": base64.b64encode(bytes(2048)).decode()})
            part = chance.choice(list(arrays))
            numbers = np.frombuffer(base64.b64decode(arrays[part]), "<f4").copy()
            how = chance.choice(("number", "cut", "longer", "text", "another name", "gone", "zeros"))
            if how == "number":
                numbers[chance.randrange(len(numbers))] = chance.choice((np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45))
            elif how == "cut":
                numbers = numbers[: len(numbers) // 2]
            elif how == "longer":
                numbers = np.concatenate([numbers, numbers])
            elif how == "zeros":
                numbers[:] = 0
            arrays[part] = "###" if how == "text" else base64.b64encode(numbers.tobytes()).decode()
            if how == "another name":
                arrays[chance.choice(("center", "ranges", "centroids", "x"))] = arrays.pop(part)
            record["trained"] = {} if how == "gone" else {**record["trained"], role: arrays}
            name = f"trained {role} {part} {how}"
    target.done = f"setting {key} {name}: {str(record.get(name))[:60]}"
    target.sql("INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
               key, json.dumps(record))  # fmt: skip


MUTATIONS = (
    lexical_array, lexical_array, lexical_array, lexical_sizes, lexical_body, lexical_pickle, lexical_pickle,
    lexical_bytes, faiss_head, faiss_head, faiss_head, faiss_kind, faiss_content, dense_ids, dense_cells, dense_cells,
    swapped, segment_row, vectors_record,
)  # fmt: skip


def fit(index: Path) -> None:
    """Makes the catalog say that the files of segments are what they are, and the checksum what the catalog is."""
    connection = sqlite3.connect(index / CATALOG_FILE)
    for number, name, files in connection.execute("SELECT id, name, files FROM segments").fetchall():
        recorded = json.loads(files)
        for path in (index / SEGMENTS_FOLDER / "".join(str(name).split("\0"))).glob("*"):
            if recorded.get(path.name) and path.is_file():
                data = path.read_bytes()
                recorded[path.name] = [len(data), blake2b(data, digest_size=16).hexdigest()]
        connection.execute("UPDATE segments SET files = ? WHERE id = ?", (json.dumps(recorded), number))
    connection.commit()
    connection.close()
    write_checksum(str(index))


def mutate(target: Target, number: int) -> None:
    """Changes the index by the mutation of this number."""
    mutation = MUTATIONS[number % len(MUTATIONS)]
    mutation(target)
    target.done = f"{mutation.__name__}: {target.done}"
    if mutation is segment_row:
        write_checksum(str(target.index))
    else:
        fit(target.index)


# -- trial -----------------------------------------------------------------------------------------------------------


class Trial:
    """All kinds of indexes in `base`, and what became of mutations of them."""

    def __init__(self, base: Path, seed: int) -> None:
        self.base, self.seed = base, seed
        (base / "outside").mkdir()
        (base / "outside" / "precious.txt").write_text("precious")
        for kind in KINDS:
            # In a child: nothing that it learns or starts stays in the process that is forked again and again.
            made = forked.in_child(lambda kind=kind: _make(base, kind) or 0, 300)  # type: ignore[misc, func-returns-value]
            assert made.code == 0, (kind, made.err)

    def judge(self, process: int, number: int) -> str:
        """What came of mutation `number`; "" when all is well."""
        kind = list(KINDS)[number // len(MUTATIONS) % len(KINDS)]
        folder, canary = self.base / f"work{process}", self.base / f"canary{process}"
        _copy(self.base / kind, folder)
        target = Target(folder / ".semsearch", random.Random(f"{self.seed} {number}"), canary, number // len(MUTATIONS))
        made = forked.in_child(lambda: (mutate(target, number), print(target.done))[1] or 0)  # type: ignore[func-returns-value]
        what = f"{number} {kind}, {made.out.strip()}"
        if made.code:
            return f"{what}: it could not be made: {made.err.strip()[-400:]}"
        before = _stamps(folder, self.base / "outside")
        for arguments in _commands(number, str(target.index)):
            done = forked.in_child(lambda: self._run(arguments, kind, number), SECONDS + 1, 6 << 30)  # noqa: B023
            wrong = done.defect(SECONDS, MEMORY) or ("" if done.code in (0, 1, 2) else f"exit status {done.code}")
            if canary.exists():
                wrong = "it ran what a pickle said"
                canary.unlink()
            if _stamps(folder, self.base / "outside") != before:
                wrong = "it changed a file that is not the index's"
            if wrong:
                return f"{what}: {' '.join(arguments[:2])}: {wrong}"
        return ""

    def _run(self, arguments: list[str], kind: str, number: int) -> int:
        if number % _REAL_ONE_IN == 0:
            os.execv(sys.executable, [sys.executable, "-m", "semsearch", *arguments])
        with thresholds(kind):
            if arguments[0] in ("index", "verify"):
                forked.prepare_reader()
            return forked.command(*arguments)


def _commands(number: int, index: str) -> list[list[str]]:
    commands = [
        ["search", "who paints boats near the harbour", "-i", index, "--json"],
        ["search", 'neighbor "old maps" harb* -bread', "-i", index, "--mode", "lexical"],
        ["search", "a sailor at sea", "-i", index, "--mode", "dense", "-k", "100"],
        ["ask", "who sells old maps?", "-i", index],
        ["status", "-i", index],
        ["verify", "-i", index],
    ]
    if number % 4 == 1:
        commands.append(["quantize", "int8", "-i", index, "--queries", "10", "--max-loss", "90%", "--dry-run"])
    if number % 4 == 2:
        commands.append(["verify", "--repair", "-i", index])
    if number % 4 == 3:
        commands.append(["index", "-i", index, "--rebuild", "--prune"])
    return [*commands, ["index", "-i", index, "--prune"]]


def main() -> None:
    forked.run_trial(__doc__, Trial, "mutations", 2000, "mutations")


if __name__ == "__main__":
    main()
