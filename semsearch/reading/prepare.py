"""One file -> chunks and terms, ready to be committed. Runs in a reader process; what goes wrong becomes a status."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from semsearch.chunking import splitter
from semsearch.chunking.chunk import Chunk
from semsearch.chunking.splitter import ChunkRules
from semsearch.chunking.tokenizers import SubwordTokenizer, Tokenizer, tiktoken_named
from semsearch.errors import ReadError
from semsearch.lexical import analyzer, language
from semsearch.sources import document_types
from semsearch.sources.dates import document_date
from semsearch.sources.document import Document, storable
from semsearch.sources.regular_file import Stamp, digest_of, open_regular, stamp_of
from semsearch.store.records import Chunking

DEFAULT_OVERLAP = 32
# Where nobody asks for longer ones: a passage of a long window would say too much to be found, and to be shown.
_LONGEST_CHUNK = 512
# Tokenised, cut and sent as one; a million characters take about 100 MB while they are tokenised.
_PIECE_CHARACTERS = 2_000_000


@dataclass(frozen=True)
class ReadRules:
    """What every reader process must know: how to chunk, and the passwords to try on encrypted documents.

    `tokenizer_file` and `window` are the embedder's; `chunking` is what the index records.
    """

    model: str
    tokenizer_file: str
    window: int
    chunking: Chunking
    passwords: tuple[str, ...] = ()

    def chunk_rules(self) -> ChunkRules:
        embedder = SubwordTokenizer(self.model, self.tokenizer_file)
        room = self.window - embedder.special_tokens()
        named = self.chunking.tokenizer
        ruler: Tokenizer = tiktoken_named(named) if named else embedder
        size = self.chunking.size or min(room, _LONGEST_CHUNK)
        overlap = self.chunking.overlap
        return ChunkRules(
            min(size, room) if ruler is embedder else size,
            DEFAULT_OVERLAP if overlap is None else overlap,  # the splitter takes at most a quarter of a chunk
            ruler,
            room,
            embedder,
        )


@dataclass(frozen=True)
class Task:
    """One file to read: where it is, its size in bytes, and the content hash of what is indexed of it."""

    path: str
    size: int
    known: bytes | None = None


@dataclass(frozen=True)
class Prepared:
    """What was made of a file, or of one part of a large one; the last part tells of the whole.

    `status` is one of the catalog, or `unchanged` (the content is `Task.known`), or `unreadable` (the file system
    refused, which may pass). `reason` says why, or what of an indexed file could not be read. `stamp` is that of the
    file when it was opened. `date` is the document's own, in seconds since the epoch.
    """

    status: str
    reason: str = ""
    last: bool = True
    digest: bytes = b""
    stamp: Stamp | None = None
    type: str = ""
    title: str = ""
    language: str = ""
    metadata: str = "{}"
    date: float | None = None
    chunks: list[Chunk] = field(default_factory=list)
    terms: list[list[str]] = field(default_factory=list)


def prepare(task: Task, rules: ChunkRules, passwords: Sequence[str]) -> Iterator[Prepared]:
    """The parts of the file of `task`: one, unless it is too large to be held at once."""
    stamp, digest = None, b""
    try:
        with open_regular(task.path) as file:
            stamp, digest = stamp_of(file), digest_of(file)
            if digest == task.known:
                yield Prepared("unchanged", digest=digest, stamp=stamp)
                return
            pieces = (
                piece
                for document in document_types.documents(file, task.path, passwords)
                for piece in document.pieces(_PIECE_CHARACTERS)
            )
            document: Document | None = next(pieces)
            whole: Prepared | None = None
            while document is not None:
                following = next(pieces, None)
                if whole is None:
                    whole = replace(_described(document), digest=digest, stamp=stamp)
                chunks = splitter.split(document, rules)
                terms = [analyzer.analyze(chunk.encoded(), whole.language) for chunk in chunks]
                yield replace(whole, last=following is None, chunks=chunks, terms=terms)
                document = following
    except ReadError as error:
        yield Prepared("skipped" if error.skip else "failed", error.message, digest=digest, stamp=stamp)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        reason = "vanished while it was read" if gone else f"cannot be read: {error.strerror or error}"
        yield Prepared("unreadable", reason, stamp=stamp)


def _described(document: Document) -> Prepared:
    metadata = {storable(str(key)): value for key, value in document.metadata.items()}
    return Prepared(
        "indexed",
        document.notice,
        type=document.type,
        title=storable(document.title),
        language=language.detect(document.text),
        metadata=storable(json.dumps(metadata, ensure_ascii=True)),
        date=document_date(metadata),
    )
