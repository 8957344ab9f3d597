"""Turns one file into chunks and terms, ready to be committed. Runs in a reader process; errors become a status."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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
from semsearch.sources.regular_file import Stamp, digest_of, open_regular, stamp_of
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
    """One file to read: its path, its size in bytes; `known`: the content hash that the index has of it, if any."""

    path: str
    size: int
    known: bytes | None = None


@dataclass(frozen=True)
class FilePart:
    """What became of a file, or of one part of a large one.

    `status`: one of the catalog's (`indexed`, `skipped`, `failed`), or `unchanged` (the content hash is `Task.known`),
    or `unreadable` (the file system refused; a later run may succeed). `reason`: why, or which parts of an indexed file
    could not be read. `last`: no more parts follow. `digest`: the content hash. `stamp`: that of the file when it was
    opened. `metadata`: a JSON object. `date`: the document's own, in seconds since the epoch. `terms`: for each chunk
    its term keys. `document`: the part is a document of its own, with these properties.
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
    document: DocumentProperties | None = None


def analyze_file(task: Task, rules: ChunkRules, reading: ReadRules) -> Iterator[FilePart]:
    """Reads, splits and analyses the file of `task`, large ones in several parts. Errors become a status."""
    stamp, digest = None, b""
    try:
        with open_regular(task.path) as file:
            stamp, digest = stamp_of(file), digest_of(file)
            if digest == task.known:
                yield FilePart("unchanged", digest=digest, stamp=stamp)
                return
            pieces = (
                piece
                for document in document_types.documents(file, task.path, reading.passwords, reading.ocr)
                for piece in document.pieces(_PIECE_CHARACTERS)
            )
            document: Document | None = next(pieces)
            properties: FilePart | None = None
            made: DocumentTerms | None = None
            while document is not None:
                following = next(pieces, None)
                is_first = properties is None or document.own
                if properties is None or made is None or document.own:
                    own = _properties(document)
                    # The properties of the file are those of its first document, unless there are several.
                    of_file = replace(own, title="", metadata="{}", date=None) if document.own else own
                    properties = replace(properties or of_file, digest=digest, stamp=stamp, document=None)
                    if document.own:
                        told = DocumentProperties(own.title, json.loads(own.metadata), own.date, own.language)
                        properties = replace(properties, document=told, language=own.language)
                    name = storable(os.path.basename(task.path))
                    made = DocumentTerms(name, own.title, document.metadata, properties.language, properties.type)
                chunks = splitter.split(document, rules)
                terms = [
                    made.of(chunk.heading, chunk.text, is_first and number == 0) for number, chunk in enumerate(chunks)
                ]
                last = following is None
                yield replace(properties, reason=document.notice, last=last, chunks=chunks, terms=terms)
                document = following
    except ReadError as error:
        yield FilePart("skipped" if error.skip else "failed", error.message, digest=digest, stamp=stamp)
    except OSError as error:
        vanished = isinstance(error, FileNotFoundError)
        reason = "vanished while it was read" if vanished else f"cannot be read: {error.strerror or error}"
        yield FilePart("unreadable", reason, stamp=stamp)


def _properties(document: Document) -> FilePart:
    """A part with the properties of the file, which are those of its first document, and without chunks."""
    metadata = {storable(str(key)): value for key, value in document.metadata.items()}
    return FilePart(
        "indexed",
        document.notice,
        type=document.type,
        title=storable(document.title),
        language=language.detect(document.text),
        metadata=storable(json.dumps(metadata, ensure_ascii=True)),
        date=document_date(metadata),
    )
