"""Segment folders: written under another name, flushed, renamed; opened by mapping.

    lex-000001/bm25.pkl  bm25.bin     two pickles (sizes; arrays by name) and the arrays' bytes, mapped
    vec-000002/index.faiss  ids.bin   vectors and their chunk ids, mapped
               int8.faiss             codes that are scanned first, of the kind in the name (`dense.form`)
               centroids.bin ...      cells of those codes (`dense.cells`)

A segment is immutable. It keeps the chunk ids of its rows, so that a merge may drop dead rows without renumbering.
"""

import hashlib
import io
import mmap
import os
import pickle
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dense import cells
from semsearch.dense.cells import Cells
from semsearch.dense.codec import CodedVectors
from semsearch.dense.form import VectorForm
from semsearch.dense.vectors import SegmentVectors
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError
from semsearch.lexical.postings import Postings

SEGMENTS_FOLDER = "segments"
VECTORS_FILE = "index.faiss"
# Vectors that ranges, means, codebooks and directions are learnt from: 200 MB at 384 dimensions.
LEARNT_FROM = 131_072
_ALIGNMENT = 64
_MOST_ROWS = 2**40
_OF_EVERY = {"lex": {"bm25.pkl", "bm25.bin"}, "vec": {VECTORS_FILE, "ids.bin"}}
_OURS = re.compile(r"\.?(lex|vec)-\d+(\.new)?")
_DTYPES = {
    "ids": "<i8", "lengths": "<i4", "term_bytes": "|u1", "term_offsets": "<i8", "indptr": "<i8", "rows": "<i4",
    "tfs": "<u2",
}  # fmt: skip

# File name -> (size, blake2b-128 of the content in hex).
FileList = dict[str, tuple[int, str]]


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
    return _write(index, name, {"bm25.pkl": head + body, "bm25.bin": bytes(data) or bytes(_ALIGNMENT)})


def open_lexical(index: str, name: str, rows: int, files: Mapping[str, Any]) -> Postings:
    """The mapped postings of segment `name`; `rows` and `files` are what the catalog says of it."""
    folder = _checked(index, name, files)
    with open(os.path.join(folder, "bm25.pkl"), "rb") as file:
        state = file.read()
    data = _map(os.path.join(folder, "bm25.bin"))
    try:
        stream = io.BytesIO(state)
        sizes = _DataUnpickler(stream).load()["sizes"]
        views, offset = [], 0
        for size in sizes:
            views.append(data[offset : offset + size])
            offset += size + -size % _ALIGNMENT
        loaded = _DataUnpickler(stream, buffers=views).load()
        arrays: dict[str, Any] = {key: np.frombuffer(loaded["arrays"][key], _DTYPES[key]) for key in _DTYPES}
        postings = Postings(languages=tuple(map(str, loaded["languages"])), **arrays)
    except Exception as error:  # a damaged pickle can raise anything
        raise _damaged(folder, f"{type(error).__name__}: {error}") from None
    terms = len(postings.indptr) - 1
    if not (
        len(postings.ids) == len(postings.lengths) == rows
        and len(postings.term_offsets) == terms + 1 > 0
        and postings.term_offsets[-1] == len(postings.term_bytes)
        and postings.indptr[-1] == len(postings.rows) == len(postings.tfs)
    ):
        raise _damaged(folder, "its arrays do not fit together")
    return postings


class _DataUnpickler(pickle.Unpickler):
    """Loads numbers, strings, bytes, lists and dicts. A pickle that names any class or function is refused.

    An index folder may come from anywhere, and a pickle can otherwise run code. Arrays are kept as dtype-less buffers,
    so that not even numpy's constructors are needed.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"refused to load {module}.{name} from an index")


class DenseSegment:
    """The vectors of one segment and their chunk ids."""

    def __init__(self, index: str, name: str, rows: int, form: VectorForm, files: Mapping[str, Any]) -> None:
        folder = _checked(index, name, files)
        if not 0 < rows < _MOST_ROWS:
            raise _damaged(folder, f"the catalog says it has {rows} rows")
        store = CodedVectors.open(os.path.join(folder, VECTORS_FILE), form.store_codec(), rows)
        codec = form.first_stage(rows)
        codes = found = None
        # A segment written before the form had codes of this kind has none; its vectors are scanned.
        if codec is not None and f"{codec.kind}.faiss" in files:
            codes = CodedVectors.open(os.path.join(folder, f"{codec.kind}.faiss"), codec, rows)
            if set(files) >= {f"{part}.bin" for part in cells.FILES}:
                arrays = {
                    part: np.frombuffer(_map(os.path.join(folder, f"{part}.bin")), dtype)
                    for part, dtype in cells.FILES.items()
                }
                found = Cells.from_arrays(arrays, rows, codec.dim, folder)
        self.vectors = SegmentVectors(form, store, codes, found)
        self.ids: NDArray[np.int64] = np.frombuffer(_map(os.path.join(folder, "ids.bin")), "<i8")
        if len(self.ids) != rows:
            raise _damaged(folder, "its ids do not fit its vectors")


def write_dense(index: str, name: str, ids: NDArray[np.int64], vectors: Vectors, form: VectorForm) -> FileList:
    """Writes `vectors` ((n, store_dim) float32 unit rows, n > 0) of chunks `ids` (rising) as segment `name`."""
    contents = {VECTORS_FILE: form.store_codec().serialize(vectors).tobytes(), "ids.bin": ids.astype("<i8").tobytes()}
    return _write(index, name, {**contents, **_first_stage(vectors, form)})


def rewrite_dense(
    index: str, name: str, old: str, old_files: Mapping[str, Any], vectors: Vectors, form: VectorForm
) -> FileList:
    """Writes segment `name`: the stored vectors and ids of segment `old`, with the codes of `form` for them.

    `vectors` are those of `old`, (n, store_dim). Where the file system has hard links, what stays takes no space.
    """
    source = _checked(index, old, old_files)
    kept = {part: (os.path.join(source, part), old_files[part]) for part in (VECTORS_FILE, "ids.bin")}
    return _write(index, name, _first_stage(vectors, form), kept)


def _first_stage(vectors: Vectors, form: VectorForm) -> dict[str, bytes]:
    """The files of the codes of stored `vectors`, in the order of their cells; none where they are scanned as such."""
    codec = form.first_stage(len(vectors))
    if codec is None:
        return {}
    coded = form.coded(vectors)
    contents: dict[str, bytes] = {}
    if form.has_cells(len(vectors)):
        found = Cells.train(coded)
        coded = coded[found.order]
        contents = {
            f"{part}.bin": np.ascontiguousarray(getattr(found, part), dtype).tobytes()
            for part, dtype in cells.FILES.items()
        }
    return {f"{codec.kind}.faiss": codec.serialize(coded).tobytes(), **contents}


def stored_vectors(
    index: str, name: str, rows: int, form: VectorForm, files: Mapping[str, Any]
) -> tuple[NDArray[np.int64], Vectors]:
    """(ids, vectors) of a dense segment, when these are what was written whatever became of its codes."""
    kept = {part: files[part] for part in (VECTORS_FILE, "ids.bin")}
    check_content(index, name, kept)
    folder = os.path.join(index, SEGMENTS_FOLDER, name)
    store = CodedVectors.open(os.path.join(folder, VECTORS_FILE), form.store_codec(), rows)
    ids: NDArray[np.int64] = np.frombuffer(_map(os.path.join(folder, "ids.bin")), "<i8")
    return ids, store.vectors(np.arange(rows, dtype=np.int64))


def training_vectors(
    segments: Sequence[DenseSegment], alive: Sequence[NDArray[np.bool_] | None], most: int = LEARNT_FROM
) -> Vectors:
    """(n, store_dim): up to `most` vectors from all over `segments`, of the rows that are alive; None: all are."""
    step = max(1, -(-sum(len(segment.ids) for segment in segments) // most))
    parts = [
        segment.vectors.vectors((np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep))[::step])
        for segment, keep in zip(segments, alive, strict=True)
    ]
    return np.concatenate(parts)


def open_ids(index: str, kind: str, name: str, rows: int, files: Mapping[str, Any]) -> NDArray[np.int64]:
    """The chunk ids of a segment's rows, (rows,) int64 rising."""
    if kind == "lex":
        return open_lexical(index, name, rows, files).ids
    return np.frombuffer(_map(os.path.join(_checked(index, name, files), "ids.bin")), "<i8")


def remove_unreferenced(index: str, names: set[str]) -> None:
    """Removes what an earlier writer left in the segments folder that is not in `names`."""
    folder = os.path.join(index, SEGMENTS_FOLDER)
    if not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        if name not in names and _OURS.fullmatch(name):
            _remove(os.path.join(folder, name))


def _write(
    index: str, name: str, contents: Mapping[str, bytes], kept: Mapping[str, tuple[str, Any]] | None = None
) -> FileList:
    """Every byte is on the disk, and the folder under its final name, when this returns.

    `kept`: file name -> (file it is the same as, its entry in that segment's `FileList`).
    """
    parent = os.path.join(index, SEGMENTS_FOLDER)
    if not os.path.isdir(parent):
        os.mkdir(parent)
        sync_folder(index)
    working = os.path.join(parent, f".{name}.new")
    _remove(working)
    os.mkdir(working)
    files: FileList = {}
    for file_name, content in contents.items():
        with open(os.path.join(working, file_name), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        files[file_name] = (len(content), blake2b(content, digest_size=16).hexdigest())
    for file_name, (source, entry) in (kept or {}).items():
        _link(source, os.path.join(working, file_name))
        files[file_name] = (int(entry[0]), str(entry[1]))
    sync_folder(working)
    final = os.path.join(parent, name)
    _remove(final)  # of a run that was killed between rename and commit
    os.rename(working, final)
    sync_folder(parent)
    return files


def _remove(path: str) -> None:
    """Removes the folder `path`, or what stands in its place."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)


def link_segment(index: str, target: str, name: str, files: Mapping[str, Any]) -> None:
    """Makes segment `name` of the index folder `index` one of the index folder `target`, too."""
    source = _checked(index, name, files)
    folder = os.path.join(target, SEGMENTS_FOLDER, name)
    os.makedirs(folder)
    for file_name in files:
        _link(os.path.join(source, file_name), os.path.join(folder, file_name))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
        with open(target, "rb+") as file:
            os.fsync(file.fileno())


def sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(index: str, name: str, files: Mapping[str, Any]) -> str:
    """The folder of segment `name`, whose files are there, regular, and as long as the catalog says."""
    if "/" in name or name.startswith("."):
        raise IndexDamagedError(f"{index}: the catalog names a segment {name!r}")
    folder = os.path.join(index, SEGMENTS_FOLDER, name)
    if os.path.islink(folder) or not _OF_EVERY.get(name[:3], {""}) <= set(files):
        raise _damaged(folder, "it is not a folder with the files of a segment")
    for file_name, (size, _) in files.items():
        path = os.path.join(folder, file_name)
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            raise _damaged(folder, f"{file_name} is missing") from None
        if "/" in file_name or not stat.S_ISREG(found.st_mode):
            raise _damaged(folder, f"{file_name} is not a regular file")
        if found.st_size != size:
            raise _damaged(folder, f"{file_name} has {found.st_size} bytes, not {size}")
    return folder


def check_content(index: str, name: str, files: Mapping[str, Any]) -> None:
    """Reads all of segment `name`. Raises `IndexDamagedError` when a byte is not as it was written."""
    folder = _checked(index, name, files)
    for file_name, (_, digest) in files.items():
        with open(os.path.join(folder, file_name), "rb") as file:
            if hashlib.file_digest(file, lambda: blake2b(digest_size=16)).hexdigest() != digest:
                raise _damaged(folder, f"{file_name} is not what was written")


def _map(path: str) -> memoryview:
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _damaged(folder: str, what: str) -> IndexDamagedError:
    index = os.path.dirname(os.path.dirname(folder))
    return IndexDamagedError(
        f"{folder} is damaged: {what}", f"repair it with: semsearch verify --repair --index {index}"
    )
