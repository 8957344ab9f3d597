"""Turns one file into chunks and terms, ready to be committed. Runs in a reader process; errors become a status."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from semsearch.chunking import splitter
from semsearch.chunking.chunk import Chunk
from semsearch.chunking.splitter import ChunkRules
from semsearch.chunking.tokenizers import SubwordTokenizer, Tokenizer, tiktoken_named
from semsearch.errors import ReadError
from semsearch.lexical import language
from semsearch.lexical.document_terms import DocumentTerms
from semsearch.sources import document_types
from semsearch.sources.dates import document_date
from semsearch.sources.document import Document, storable
from semsearch.sources.ocr import OcrLimits
from semsearch.sources.regular_file import digest_of, open_regular, stamp_of
from semsearch.sources.stamps import Stamp
from semsearch.store.records import Chunking, DocumentProperties

DEFAULT_OVERLAP = 32
# Tokens of a chunk where no size is asked for, even if the model takes more: one vector of a longer passage stands for
# too many subjects, and the passage is too long to be shown.
_MAX_DEFAULT_TOKENS = 512
# Characters that are tokenised, split and sent at once: a million take about 100 MB of memory while they are tokenised.
_PIECE_CHARACTERS = 2_000_000


@dataclass(frozen=True)
class ReadRules:
    """What every reader process needs to know.

    `model`: the name of the embedding model; `tokenizer_file`: the path of its tokenizer; `window`: how many tokens it
    takes, special tokens included. `chunking`: what the index records. `passwords`: to be tried on encrypted documents.
    `ocr`: read pages and pictures without text by OCR, within these limits.
    """

    model: str
    tokenizer_file: str
    window: int
    chunking: Chunking
    passwords: tuple[str, ...] = ()
    ocr: OcrLimits | None = None

    def chunk_rules(self) -> ChunkRules:
        """The rules of the splitter. Raises `UsageError` for an unknown tokenizer."""
        embedder = SubwordTokenizer(self.model, self.tokenizer_file)
        window = self.window - embedder.special_tokens()
        name = self.chunking.tokenizer
        tokenizer: Tokenizer = tiktoken_named(name) if name else embedder
        size = self.chunking.size or min(window, _MAX_DEFAULT_TOKENS)
        overlap = self.chunking.overlap
        return ChunkRules(
            min(size, window) if tokenizer is embedder else size,
            DEFAULT_OVERLAP if overlap is None else overlap,  # the splitter takes at most a quarter of a chunk
            tokenizer,
            window,
            embedder,
        )


@dataclass(frozen=True)
class Task:
    """One file to read: its `path` beneath the folder `root`, its size in bytes.

    `known`: the content hash that the index has of it, if any. `follow`: symbolic links that stay beneath `root` are
    followed. `grammar`: code is parsed by its grammar, if that is installed. A file that another one has replaced since
    the walk, as editors do when they save, is read as it is now.
    """

    root: str
    path: str
    size: int
    known: bytes | None = None
    follow: bool = False
    grammar: bool = True


@dataclass(frozen=True)
class FilePart:
    """What became of a file, or of one part of a large one.

    `status`: one of the catalog's (`indexed`, `skipped`, `failed`), or `unchanged` (the content hash is `Task.known`),
    or `unreadable` (the file system refused; a later run may succeed), or `stopped` (a limit or a crash ended its
    reader, which may have been the machine's fault: a later run may succeed), or `left` (not read to its end, as the
    run is over). `reason`: why, or which parts of an indexed file could not be read. `last`: no more parts follow.
    `digest`: the content hash. `stamp`: that of the file when it was opened. `language`: that of the part; title,
    metadata and `date` (in seconds since the epoch) are those of the file. `terms`: for each chunk its term keys.
    `document`: the part begins a document of its own, with these properties.
    """

    status: str
    reason: str = ""
    last: bool = True
    digest: bytes = b""
    stamp: Stamp | None = None
    type: str = ""
    title: str = ""
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    date: float | None = None
    chunks: list[Chunk] = field(default_factory=list)
    terms: list[list[str]] = field(default_factory=list)
    document: DocumentProperties | None = None


def analyze_file(task: Task, rules: ChunkRules, reading: ReadRules) -> Iterator[FilePart]:
    """Reads, splits and analyses the file of `task`, large ones in several parts. Errors become a status."""
    stamp, digest = None, b""
    try:
        with open_regular(task.root, task.path, task.follow) as file:
            stamp, digest = stamp_of(file), digest_of(file)
            if digest == task.known:
                yield FilePart("unchanged", digest=digest, stamp=stamp)
                return
            documents = document_types.documents(file, task.path, reading.passwords, reading.ocr, task.grammar)
            for part in _parts(documents, task.path, rules):
                yield replace(part, digest=digest, stamp=stamp)
    except ReadError as error:
        yield FilePart("skipped" if error.skip else "failed", error.message, digest=digest, stamp=stamp)
    except OSError as error:
        vanished = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "vanished while it was read" if vanished else f"cannot be read: {error.strerror or error}"
        yield FilePart("unreadable", reason, stamp=stamp)


def _parts(documents: Iterator[Document], path: str, rules: ChunkRules) -> Iterator[FilePart]:
    """The parts of the file `path`, which holds `documents`, one at least; without stamp and digest."""
    pieces = (piece for document in documents for piece in document.pieces(_PIECE_CHARACTERS))
    first = next(pieces)
    document = _DocumentAnalysis(first, path, rules)
    of_file = _file_part(first, document.properties)
    piece: Document | None = first
    while piece is not None:
        chunks, terms = document.passages(piece)
        following = next(pieces, None)
        yield replace(
            of_file,
            reason=piece.notice,
            last=following is None,
            language=document.properties.language,
            chunks=chunks,
            terms=terms,
            document=document.properties if piece.own else None,
        )
        if following is not None and following.own:
            document = _DocumentAnalysis(following, path, rules)
        piece = following


def _file_part(first: Document, properties: DocumentProperties) -> FilePart:
    """A part with what is told of the file: all of its only document, of the `first` of several only type and language.

    `properties`: those of `first`.
    """
    part = FilePart("indexed", type=first.type, language=properties.language)
    if first.own:
        return part
    return replace(part, title=properties.title, metadata=properties.metadata, date=properties.date)


class _DocumentAnalysis:
    """Makes the passages of one document of the file `path` and their terms, a piece of it after another."""

    def __init__(self, first: Document, path: str, rules: ChunkRules) -> None:
        """`first`: the piece that the document begins with."""
        self.properties = _properties(first)
        self._rules = rules
        told = self.properties
        self._terms = DocumentTerms(os.fsencode(path), told.title, told.metadata, told.language, first.type)
        self._has_begun = False

    def passages(self, piece: Document) -> tuple[list[Chunk], list[list[str]]]:
        """The chunks of `piece`, which follows those before, and the terms of each."""
        chunks = splitter.split(piece, self._rules)
        terms = []
        for chunk in chunks:
            terms.append(self._terms.of(chunk.heading, chunk.text, not self._has_begun))
            self._has_begun = True
        return chunks, terms


def _properties(document: Document) -> DocumentProperties:
    """What is known of `document`, as the index gives it back."""
    metadata = {storable(str(key)): value for key, value in document.metadata.items()}
    return DocumentProperties(
        title=storable(document.title),
        metadata=json.loads(json.dumps(metadata)),
        date=document_date(metadata),
        language=language.detect(document.text),
    )
