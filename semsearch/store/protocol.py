"""What every kind of store offers, at the level of rows and queries.

A `Store` is one index. Reading happens in a `Snapshot`, one committed state from the first call to the last; writing
in a `Transaction`, which takes effect as a whole or not at all. No call is made per hit: ids go in and come out in
batches, so that a store behind a network needs a few round trips a query, not one a result.

What only some stores can do is named by `Store.capabilities`; a caller asks with `opening.require`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from semsearch.sources.stamps import Stamp
from semsearch.store.records import (
    Counts,
    DocumentName,
    DocumentProperties,
    FileRecord,
    Filters,
    IndexInfo,
    Passage,
    Position,
    Ranking,
    RunRecord,
    Scores,
    StorageInfo,
)

if TYPE_CHECKING:
    from random import Random

    import numpy as np
    from numpy.typing import NDArray

    from semsearch.chunking.chunk import Chunk
    from semsearch.embedding.late_interaction import TokenModel
    from semsearch.embedding.model_info import ModelInfo
    from semsearch.lexical.postings import Postings
    from semsearch.lexical.query_word import Word
    from semsearch.lexical.sparse_vector import SparseVector
    from semsearch.store.problems import Findings
    from semsearch.store.records import FloatArray, Ids, Vectors

Answer = TypeVar("Answer")


class AnalysedPart(Protocol):
    """A document, or one part of a large one, ready to be stored: its chunks and the terms of each of them."""

    @property
    def chunks(self) -> "Sequence[Chunk]": ...

    @property
    def terms(self) -> Sequence[list[str]]: ...

    @property
    def language(self) -> str: ...

    @property
    def reason(self) -> str:
        """What of it could not be read."""
        ...

    @property
    def document(self) -> DocumentProperties | None:
        """The part begins a document of its own, with these properties; None: it goes on with the one before, or is
        of the only document of the file."""
        ...


AnalysedParts = Iterator[AnalysedPart] | Sequence[AnalysedPart]


class Selection(Protocol):
    """The chunks that filters let in; made and understood by one store. `unmatched`: path globs no file matches."""

    @property
    def unmatched(self) -> tuple[str, ...]: ...

    @property
    def has_no_file(self) -> bool:
        """Whether the filters (`Filters.after` aside) let in no file."""
        ...

    def among(self, ids: "Ids") -> "Ids":
        """Those of the chunks `ids` (n,), rising, that are let in."""
        ...


class SparseLeg(Protocol):
    """The learned sparse vectors of one state of an index (`lexical.sparse_vector`), searched."""

    def rank(self, query: "SparseVector", k: int, selection: Selection | None) -> Ranking:
        """The `k` best chunks of `selection`, of those that have a token of `query`."""
        ...

    def scores(self, ids: "Ids", query: "SparseVector") -> "FloatArray":
        """(n,) the score of each of the chunks `ids` (n,): the sum of the products of the weights of the tokens that it
        has with `query`; 0 for one without a sparse vector."""
        ...

    def held(self, ids: "Ids", query: "SparseVector") -> "FloatArray":
        """(n,) in [0, 1]: how much of the weight of `query` is of tokens that each of the chunks `ids` (n,) has."""
        ...


class SparseLegWriter(Protocol):
    """Writes the sparse vectors of the model that the index records (`IndexInfo.sparse`). Each call that changes
    something is a commit."""

    def pending(self) -> "Ids":
        """(n,) the ids of the chunks without a sparse vector, rising."""
        ...

    def known(self, hashes: Collection[bytes]) -> "Mapping[bytes, SparseVector]":
        """hash -> sparse vector of chunks that were encoded before, as they are kept."""
        ...

    def put(self, ids: "Ids", vectors: "Sequence[SparseVector]") -> None:
        """Adds the `vectors` of the chunks `ids` (n,), rising, the first ones of those that are pending."""
        ...

    def finish(self) -> None:
        """Notes that nothing is pending."""
        ...

    def maintain(self, stopping: Callable[[], bool]) -> None:
        """As `Writer.maintain`."""
        ...


class Snapshot(Protocol):
    """One committed state of an index. Every method raises `IndexDamagedError` for what no writer could have stored."""

    # -- about the index

    def info(self) -> IndexInfo: ...

    def counts(self) -> Counts: ...

    def position(self) -> Position: ...

    def last_given(self) -> int:
        """The highest chunk id that was given out, be its chunk there or not; 0: none was."""
        ...

    def languages(self) -> frozenset[str]:
        """Codes of the languages whose rules the indexed terms were made by."""
        ...

    def storage(self) -> StorageInfo: ...

    def last_run(self) -> RunRecord | None:
        """The last run that changed something; None before the first."""
        ...

    # -- searching

    def warm_up(self) -> None:
        """Opens what a search by vectors needs; worth calling while something else loads."""
        ...

    def will_ask(self, words: "Sequence[Word]", vector: "Vectors | None", k: int) -> None:
        """Says that a search will ask about `words`, and for the `k` chunks of all that are nearest to `vector` (d,):
        a store behind a network asks for all of it at once, and keeps what it is told."""
        ...

    def select(
        self, filters: Filters, prefix: str = "", within: "Ids | None" = None, without: "Ids | None" = None
    ) -> Selection | None:
        """The chunks that `filters` let in, decided before the search; None: all. `prefix` stands before shown paths.
        Of a file that holds several documents, those are let in whose own properties fit.

        Of these only those `within` (n,) ids, and none of those `without` (m,) ids; both rising, None: not asked for.
        Raises `UsageError` for a type that does not exist.
        """
        ...

    def holding(self, words: "Sequence[Word]") -> "Ids":
        """(n,) the ids of the chunks that hold every one of `words`, rising; all chunks where there are none."""
        ...

    def frequencies(self, words: "Sequence[Word]") -> "Ids":
        """(w,) how many chunks hold each of `words`."""
        ...

    def completions(self, beginnings: Sequence[str], limit: int | None) -> list[str]:
        """The term keys that begin with any of `beginnings`, those of most chunks first, at most `limit`
        (None: all)."""
        ...

    def similar(self, keys: Sequence[str], distance: int, limit: int) -> list[str]:
        """The term keys at most `distance` edits (insertion, deletion, change, swap of neighbours) from one of `keys`,
        with the same language and the same first letter; nearest first, then those of most chunks; at most `limit`."""
        ...

    def texts(self, ids: "Ids") -> Iterator[tuple[int, str, str]]:
        """(id, type name, the text with its headings, as it is encoded) of each of the chunks `ids` (n,), in any
        order. Raises `IndexDamagedError` for one that is not there."""
        ...

    def names(self, ids: "Ids") -> list[DocumentName]:
        """What the documents of the chunks `ids` (n,) are called, in that order.

        Raises `IndexDamagedError` for one that is not there.
        """
        ...

    def lexical(self, words: "Sequence[Word]", k: int, selection: Selection | None) -> Ranking:
        """The `k` best chunks of `selection` by BM25 (k1 1.2, b 0.75, idf over the whole index); scores above 0.
        Which of several equal ones at the end are among the `k` is not said, here and in `dense`.
        """
        ...

    def dense(self, vector: "Vectors", k: int, selection: Selection | None) -> Ranking:
        """The `k` chunks of `selection` nearest to `vector` (d,), as `as_stored` makes it, by cosine."""
        ...

    def sparse_leg(self) -> SparseLeg | None:
        """The sparse vectors of the index; None: it has none."""
        ...

    def sparse_pending(self) -> int:
        """How many chunks the sparse leg, where there is one, has not gone through."""
        ...

    def score(self, ids: "Ids", words: "Sequence[Word]", vectors: "Vectors | None") -> Scores:
        """What is known of the chunks `ids` (n,), wherever they stand in a ranking; `vectors` (v, d) as stored."""
        ...

    def idf(self, words: "Sequence[Word]") -> "FloatArray":
        """(w,) the BM25 idf of each word; a word that occurs nowhere has the highest."""
        ...

    def as_stored(self, vectors: "Vectors") -> "Vectors":
        """(n, d) the model's `vectors` (n, dim) as this index keeps and compares them, which may be shorter."""
        ...

    def postings(self) -> "Iterable[Postings]":
        """The terms of all chunks: each is a row of one of them. Other rows are of chunks that are no more."""
        ...

    def adapted(self, vector: "Vectors") -> "Vectors":
        """(dim,) a query's `vector` (dim,) moved by the adapter, where one was learnt for this index."""
        ...

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        """The chunks `ids`, in that order, each with its file. Raises `IndexDamagedError` for one that is not there."""
        ...

    def neighbours(self, chunk_id: int, count: int) -> list[Passage]:
        """The chunk and up to `count` chunks of its file before and after it, in the order of the document."""
        ...

    # -- files and chunks

    def files(self, root_id: int | None = None) -> Iterator[FileRecord]:
        """All files, or those of one root, in no particular order."""
        ...

    def file(self, root_id: int, path: bytes) -> FileRecord | None: ...

    def passages_of(self, file_id: int) -> list[Passage]:
        """All chunks of one file, in the order of the document; none for a file that is not there."""
        ...

    def file_ids(self, ids: "Ids") -> "Ids":
        """(n,) the ids of the files that the chunks `ids` (n,) stand in."""
        ...

    def stamps(self, root_id: int, generation: int, racy_ns: int) -> dict[bytes, Stamp]:
        """path -> stamp of the files of a root that are unchanged if their stamps are: those of `generation` whose
        modification is at least `racy_ns` older than the walk that saw it (`sources.walk.is_unchanged`)."""
        ...

    def left_out(self, root_id: int) -> dict[bytes, tuple[str, str]]:
        """path -> (status, reason) of the files of a root that are not indexed."""
        ...

    def paths(self, root_id: int) -> set[bytes]:
        """The paths of all files of a root."""
        ...

    def shuffled(self, chance: "Random") -> Iterator[Passage]:
        """The chunks that have vectors (all chunks where none has), in random order, each once. Made to draw a sample
        from: it may end before the last few were met."""
        ...

    # -- vectors

    def encoded_ids(self) -> "Ids":
        """(n,) the ids of the chunks that have a vector, rising."""
        ...

    def vectors(self, ids: "Ids") -> "Vectors":
        """(n, d) the stored vectors of the chunks `ids` (n,); a row of nan where a chunk has none."""
        ...

    def keeps_model_vectors(self) -> bool:
        """Whether the model's own vectors are kept, so that any other form can be made from them."""
        ...

    def pending(self, limit: int) -> list[Passage]:
        """The first `limit` chunks without a vector, in the order of their ids."""
        ...

    def pending_tokens(self) -> int:
        """Tokens of all pending chunks."""
        ...

    def token_vectors(self, model: "TokenModel", hashes: Collection[bytes]) -> "tuple[Mapping[bytes, Vectors], str]":
        """(text hash -> (tokens, dim) float32 unit rows of those texts whose token vectors by `model` are kept, what is
        wrong with those that are kept: "" nothing)."""
        ...

    def encoded_hashes(self, hashes: Collection[bytes]) -> set[bytes]:
        """Those of `hashes` (`Passage.text_hash`) for which a vector is kept."""
        ...


class Transaction(Protocol):
    """Changes that take effect together when the `with` block ends, or not at all when it raises."""

    def update(self, info: IndexInfo) -> None:
        """Records `info` as it is, roots included: files of a root that is no longer among them must be deleted."""
        ...

    def put_file(self, file: FileRecord, parts: AnalysedParts, first_chunk: int | None = None) -> int:
        """Adds a file (its `id`, `chunk_count` and `pending` are ignored) with the chunks of its `parts`; returns how
        many chunks there are. The reasons of further parts follow its own (`records.joined_reasons`). `parts` is gone
        through once and may raise: then nothing of the transaction is kept. `first_chunk`: the id of its first chunk,
        above all that were given; None: the next one."""
        ...

    def delete_files(self, ids: Sequence[int]) -> int:
        """Deletes files and their chunks; returns how many chunks. Their vectors serve `known_vectors` until nothing is
        pending."""
        ...

    def give_up_to(self, chunk_id: int) -> None:
        """Counts the ids up to `chunk_id` as given: what is put from now on has higher ones."""
        ...

    def rename(self, file_id: int, root_id: int, path: bytes, stamp: Stamp, scanned_ns: int) -> None:
        """Gives a file another place and stamp; its chunks and vectors stay. Also for a stamp that changed alone."""
        ...

    def put_vectors(self, ids: "Ids", vectors: "Vectors", model: "ModelInfo") -> None:
        """Adds the `vectors` (n, d), as `Snapshot.as_stored` makes them, of the chunks `ids` (n,), rising."""
        ...

    def drop_vectors(self) -> None:
        """Takes out all vectors, the model that made them and what was learnt of them: all chunks are pending again."""
        ...

    def drop_damaged(self) -> None:
        """Takes out what is not what was written, for a run that reads every file again."""
        ...

    def replace_passages(self, changed: "Sequence[tuple[int, Chunk, list[str]]]") -> list[int]:
        """Puts (id, chunk, terms) in the place of the chunk with that id; returns the new ids, without vectors. They
        are passages of the file, of none of the documents in it, and the first of none."""
        ...

    def record_run(self, run: RunRecord) -> None: ...


class TokenVectors(Protocol):
    """The token vectors that an index keeps of its passages' texts, for a late interaction model; open while its writer
    is. What is damaged raises `TokenVectorsDamagedError`, and can be begun anew or removed."""

    def __enter__(self) -> "TokenVectors": ...

    def __exit__(self, *details: object) -> None: ...

    def is_there(self) -> bool:
        """Whether any are kept, damaged ones included."""
        ...

    def recorded(self) -> "TokenModel | None":
        """The model that they are kept for; None: none are."""
        ...

    def begin(self, model: "TokenModel") -> None:
        """Keeps those by `model` from now on, in the place of all that there are."""
        ...

    def remove(self) -> None:
        """Keeps none from now on."""
        ...

    def missing(self) -> list[int]:
        """Chunks whose texts have none, one for each text, by rising id. Those of texts that are gone are dropped."""
        ...

    def put(self, hashes: Sequence[bytes], vectors: "Sequence[Vectors]") -> None:
        """Keeps the `vectors` of texts, (tokens, dim) unit rows each."""
        ...

    def finish(self) -> None:
        """Notes that all passages that there are now have theirs."""
        ...

    def size(self, tokens: int) -> int:
        """About how many bytes the vectors of so many `tokens` more take."""
        ...


class Writer(Protocol):
    """The one writer of an index, or of some of its folders, from when it got the lock until it is closed.

    `notices`: what the user is to be told of how it was found.
    """

    notices: Sequence[str]

    def close(self) -> None: ...

    def snapshot(self) -> Snapshot:
        """The index as it is now, inside a transaction with what was changed so far; chunks that were just put are
        found by their words once it has ended."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]: ...

    def new_root_id(self) -> int:
        """An id for a folder that is to be indexed, given once."""
        ...

    def claim(self, limit: int) -> list[Passage]:
        """At most `limit` chunks without a vector, by rising id, which no other writer is given for some time; none
        where there are none left."""
        ...

    def token_vectors(self) -> TokenVectors | None:
        """The token vectors of the index; None where this kind of store keeps none."""
        ...

    def token(self) -> str:
        """What a reader waits for to see all that was committed; "" where it sees that anyway."""
        ...

    def known_vectors(self, hashes: Collection[bytes]) -> "Mapping[bytes, NDArray[np.float32]]":
        """hash -> stored vector (d,) of chunks that were encoded before, deleted ones included."""
        ...

    def forget_deleted(self) -> None:
        """Lets go of deleted chunks, which were kept for `known_vectors`; nothing while chunks are pending. To be
        called when a run has encoded what there was: what is indexed later is new (`Snapshot.position`)."""
        ...

    def sparse_leg(self) -> SparseLegWriter | None:
        """What writes the sparse vectors; None: the index has none."""
        ...

    def maintain(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Merges what many small changes left. Each step is a commit; `stopping` is asked before each.

        The first step is always made, lest many short runs leave more and more.
        """
        ...

    def is_current(self, stamp: Any) -> bool:
        """Whether the index is still in the state that a stat check saw (`stamp` of its result)."""
        ...

    def compared(self) -> None:
        """Notes that the folders were compared with the index now (`StorageInfo.checked`)."""
        ...

    def rebuilt(self) -> None:
        """Notes that every file was read again: what was known to be damaged is made anew."""
        ...


class Store(Protocol):
    """One index, wherever it is kept. `location` is what `open_store` was given; `capabilities` names what it can do
    beside this protocol: `verify`, `repair`, `quantize`, `stat_check`, `share`, `sparse`, `token_vectors`,
    `machines`."""

    @property
    def location(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]: ...

    @property
    def host(self) -> str:
        """The machine that folders are indexed for from here; "" where an index is of one machine."""
        ...

    def exists(self) -> bool:
        """Whether there is an index."""
        ...

    def read(self, question: "Callable[[Snapshot], Answer]") -> Answer:
        """The answer of `question` to one committed state. It is asked again where a writer changed the index under it,
        so it must not do anything but read."""
        ...

    def write(
        self,
        wait: bool = False,
        rebuild: bool = False,
        shared: str | None = None,
        folders: "Sequence[str] | None" = None,
        announce: Callable[[str], None] = lambda message: None,
    ) -> "AbstractContextManager[Writer]":
        """The writer; makes the index where there is none. Raises `LockedError` unless `wait`. `rebuild`: one that is
        damaged is opened, too, by a run that reads every file again. `shared`: the group that may use the index from
        now on beside its owner, for stores that are able to `share`. `folders`: those of this machine that the writer
        works on, so that others may work on other ones, for stores of several `machines`; None: on all of the index.
        `announce` hears what the writer waits for."""
        ...

    def clone(self, target: str) -> "Store":
        """A private copy of one committed state in the folder `target`, to try something on."""
        ...

    def close(self) -> None: ...


# Of the model that made the vectors of a writer's index: what encodes the chunks with the given ids (n,) again. Raises
# `SemsearchError` where the model cannot be had.
OpenEncoder = Callable[[Writer, "ModelInfo"], Callable[["Ids"], None]]


class Verifiable(Store, Protocol):
    """A store that can `verify` and `repair`."""

    def examine(self) -> "Findings":
        """What is wrong in one committed state, all of which is read."""
        ...

    def repair(self, wait: bool, open_encoder: OpenEncoder, announce: Callable[[str], None]) -> "Findings":
        """Mends what can be; returns what was found before. `wait`: for another run that is writing. Vectors that are
        lost are encoded again, by the encoder, or by the next run of `index`. Raises `SemsearchError`."""
        ...
