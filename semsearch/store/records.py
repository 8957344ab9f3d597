"""What a store hands out and takes in: frozen records with the field's names, the same for every kind of store.

Arrays: chunk ids are int64, scores and vectors float32. `n` stands for the number of chunks, `w` for the number of
query words, `v` for the number of vectors that are compared.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from semsearch.plurals import count_of
from semsearch.settings import ANALYSIS_VERSION, host_name
from semsearch.sources.lines import LineStarts
from semsearch.sources.names import WHOLE, display_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from semsearch.chunking.chunk import Chunk
    from semsearch.embedding.model_info import ModelInfo
    from semsearch.embedding.sparse_info import SparseInfo
    from semsearch.sources.walk_rules import WalkRules

    Ids = NDArray[np.int64]
    FloatArray = NDArray[np.float32]
    Vectors = NDArray[np.float32]


# What of a file could not be read is told in so many notices.
_TOLD_REASONS = 5
_REASON_CHARACTERS = 1000
# A single one may be several that were joined before, of a file that is copied.
_LONGEST_REASON = 5100


@dataclass(frozen=True)
class Root:
    """An indexed folder: `path` is absolute, `label` names it in shown paths where an index has several folders.

    `host`: the machine that the folder is on; "": the one that an index in a folder belongs to.
    """

    id: int
    path: str
    label: str
    host: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it is a folder of this machine."""
        return not self.host or self.host == host_name()

    @property
    def place(self) -> str:
        """Its path; of a folder of another machine `//HOST/PATH`."""
        return self.path if self.is_here else f"//{self.host}{self.path}"


def places_of(roots: "Sequence[Root]") -> list[tuple[str, Root]]:
    """(path, root) of each path by which people may name one of `roots`: those of this machine come first, as a path
    of another one may be the same."""
    return [(root.place, root) for root in roots] + [(root.path, root) for root in roots if not root.is_here]


@dataclass(frozen=True)
class Chunking:
    """How documents are cut. None: the default of the model.

    `size` and `overlap` in tokens; `tokenizer`: a tiktoken encoding, None: the model's own tokenizer; `analysis`: the
    version of the rules that make chunks and terms (`settings.ANALYSIS_VERSION`).
    """

    size: int | None
    overlap: int | None
    tokenizer: str | None
    analysis: int


@dataclass(frozen=True)
class IndexInfo:
    """What an index records about itself.

    `generation` counts rebuilds: files of another generation are read again. `model_name` is the model the user chose
    and `dim` the length its vectors are cut to (None: not cut); `model` is the one that made the vectors, None before
    there are any. `rules`: which files the walk takes in. `readers`: version of the readers that last saw every file.
    `vectors_at`: the URL of the vector database that keeps the vectors, without secrets; None: the index does.
    `adapter`: the learnt map of query vectors (`dense.query_adapter.Adapter.as_record` with the number of `questions`);
    `fusion`: the learnt weights of a hybrid ranking (`retrieval.fusion_weights`, with the number of `questions`).
    `sparse`: the model of its learned sparse vectors; None: it has none.
    """

    roots: tuple[Root, ...] = ()
    generation: int = 1
    model_name: str | None = None
    dim: int | None = None
    model: "ModelInfo | None" = None
    chunking: Chunking | None = None
    analysis: int = ANALYSIS_VERSION
    rules: "WalkRules | None" = None
    readers: int = 0
    vectors_at: str | None = None
    adapter: Mapping[str, Any] | None = None
    fusion: Mapping[str, Any] | None = None
    sparse: "SparseInfo | None" = None

    def root(self, root_id: int) -> Root:
        """The root with this id. Raises `KeyError`."""
        for root in self.roots:
            if root.id == root_id:
                return root
        raise KeyError(root_id)

    def shown_path(self, root_id: int, path: bytes) -> str:
        """The path of a file as results show it; of the folder itself, where it lies."""
        if path == WHOLE.encode():
            return self.root(root_id).path
        return display_path(self.root(root_id).label, path, len(self.roots) > 1)

    def host_of(self, root_id: int) -> str:
        """The machine that a folder is on; "": all folders are on this one."""
        if all(root.is_here for root in self.roots):
            return ""
        return self.root(root_id).host or host_name()

    def file_of(self, root_id: int, path: bytes) -> str:
        """The file at `path` beneath a root: its absolute path, in bytes of the file system (`os.fsdecode`); of
        another machine as `//HOST/PATH`."""
        return os.path.join(self.root(root_id).place, os.fsdecode(path))


@dataclass(frozen=True)
class FileRecord:
    """One file the index knows.

    `path` is relative to its root, in the bytes of the file system. `status` is `indexed`, `skipped` or `failed`;
    `reason` says why, or what of an indexed file could not be read. `size` (bytes), `mtime_ns` and `inode` are its
    stamp when it was opened, at a walk that began at `scanned_ns`. `content_hash` is that of its bytes. `date`: the
    document's own, in seconds since the epoch. `chunk_count`: its chunks; `pending`: those of them without a vector.
    """

    root_id: int
    path: bytes
    status: str
    size: int
    mtime_ns: int
    inode: int
    scanned_ns: int
    generation: int
    reason: str = ""
    content_hash: bytes = b""
    type: str = ""
    title: str = ""
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    date: float | None = None
    id: int = 0
    chunk_count: int = 0
    pending: int = 0

    @property
    def moment(self) -> float:
        """The document's own date, else when the file was changed; seconds since the epoch."""
        return self.mtime_ns / 1e9 if self.date is None else self.date


def joined_reasons(reasons: Iterable[str]) -> str:
    """What of a file could not be read: each of `reasons` once, in order, the first few; very long ones are cut."""
    told = [reason for reason in dict.fromkeys(reasons) if reason]
    more = f"; {count_of(len(told) - _TOLD_REASONS, 'more such notice')}" if len(told) > _TOLD_REASONS else ""
    most = _REASON_CHARACTERS if len(told) > 1 else _LONGEST_REASON
    shown = (one if len(one) <= most else one[:most] + "…" for one in told[:_TOLD_REASONS])
    return "; ".join(shown) + more


@dataclass(frozen=True)
class DocumentProperties:
    """What is known of one document of a file that holds several, such as a mailbox.

    `language`: its ISO 639-1 code, may be empty; the others as in `FileRecord`.
    """

    title: str
    metadata: Mapping[str, Any]
    date: float | None
    language: str

    def of_file(self, file: FileRecord) -> FileRecord:
        """`file`, which holds the document, with the properties of it; the date stays where it has none."""
        date = file.date if self.date is None else self.date
        return replace(file, title=self.title, metadata=self.metadata, date=date, language=self.language)


@dataclass(frozen=True)
class DocumentPart:
    """Chunks of a document that is stored already, as `protocol.AnalysedPart`, to be put in another place."""

    chunks: "Sequence[Chunk]"
    terms: "Sequence[list[str]]"
    language: str
    reason: str = ""
    document: DocumentProperties | None = None


@dataclass(frozen=True)
class Passage:
    """One chunk with the file it stands in; of a file that holds several documents, with its document's properties.

    `heading`: its heading path; `page` and the 1-based inclusive lines are None where the format has none;
    `line_breaks`: where counting line ends in `text` would go wrong (`sources.lines.line_in`); `tokens`: its size in
    the tokenizer that cut it; `text_hash`: equal for chunks that are encoded alike; `is_first`: it is the first of its
    document.
    """

    id: int
    file: FileRecord
    text: str
    heading: tuple[str, ...]
    page: int | None
    line_start: int | None
    line_end: int | None
    tokens: int
    text_hash: bytes
    line_breaks: LineStarts = ()
    is_first: bool = False


@dataclass(frozen=True)
class DocumentName:
    """What a document is called: the path of its file beneath its root, its title, and the language of both."""

    path: bytes
    title: str
    language: str


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Ranking:
    """The best chunks of one leg, best first; equal scores by rising id. `ids` (n,), `scores` (n,)."""

    ids: "Ids"
    scores: "FloatArray"


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Scores:
    """What is known of given chunks.

    `bm25` (n,): 0 where no word occurs. `cosines` (v, n) with each of the given vectors: nan where a chunk has no
    vector. `held` (w, n) bool: which words a chunk holds. `idf` (w,): the weight of each word in the whole index.
    """

    bm25: "FloatArray"
    cosines: "FloatArray"
    held: "NDArray[np.bool_]"
    idf: "FloatArray"


@dataclass(frozen=True)
class Counts:
    """Files by status, all chunks, and `pending`: chunks without a vector yet."""

    indexed: int
    skipped: int
    failed: int
    chunks: int
    pending: int


@dataclass(frozen=True)
class Position:
    """How far an index is, to tell later what is new: every chunk that is indexed later has an id above `last`.

    Holds while `generation` stays the same: a rebuild gives new ids to all chunks.
    """

    last: int
    generation: int


@dataclass(frozen=True)
class RunRecord:
    """A run of `index` that changed something: when it started (seconds since the epoch), its length, its counts."""

    started: float
    seconds: float
    report: Mapping[str, Any]


# `StorageInfo.vectors` of an index whose vectors nobody changed.
DEFAULT_VECTORS: Mapping[str, Any] = {"kind": "float16", "original": None, "dim": None, "ann": "auto", "loss": 0.0}


@dataclass(frozen=True)
class StorageInfo:
    """How the index is kept. `segments`: kind -> number; `size` in bytes; `checked`: when a run last compared the
    folders (seconds since the epoch); `vectors`: kind, original, dim, ann and loss as `status` prints them;
    `token_vectors`: the model, dim, passages and bytes of those that are kept, or how they are `damaged`, None: none
    are; `machines`:
    those that share the index, each with its `host`, its `folders`, when they were last `checked`, and its `runs` that
    go on.
    """

    segments: Mapping[str, int]
    size: int
    checked: float
    vectors: Mapping[str, Any]
    machines: tuple[Mapping[str, Any], ...] = ()
    token_vectors: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Filters:
    """What a file must be to be searched; empty fields let everything in.

    `paths`: globs in gitignore syntax on the shown path, one must match; `types`: type names or suffixes, one must be
    the file's; `where`: (key, value or glob) on the metadata, in any case, for each key one must match; `since`
    (inclusive) and `before` (exclusive): seconds since the epoch, compared with `FileRecord.moment`; `after`: only
    chunks with a higher id (`Position.last`); `titles`: words that must stand, in that order, in the file's title or
    name, all of them; `also`: filters that must let a file in as well, `none_of`: filters none of which may. Raises
    `TypeError` where a text stands for a tuple.
    """

    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    since: float | None = None
    before: float | None = None
    after: int = 0
    titles: tuple[str, ...] = ()
    also: "Filters | None" = None
    none_of: "tuple[Filters, ...]" = ()

    def __post_init__(self) -> None:
        for name in ("paths", "types", "titles", "where"):
            value = getattr(self, name)
            if isinstance(value, (str, dict)):
                raise TypeError(f"Filters: {name} is a {type(value).__name__}, not a tuple: {value!r}")

    def __bool__(self) -> bool:
        return self != Filters()
