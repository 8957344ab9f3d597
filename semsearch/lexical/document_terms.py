"""The terms of the passages of a document: of their own words, and of what the whole document is called."""

import os
from collections.abc import Mapping
from typing import Protocol

from semsearch.chunking.chunk import HEADING_CHARACTERS, encoded
from semsearch.lexical.analyzer import analyze
from semsearch.lexical.phrases import phrase_units
from semsearch.lexical.term_key import SEPARATOR
from semsearch.lexical.words import lower
from semsearch.sources.document import storable

# Metadata by which people look for a document.
_NAMING = ("title", "aliases", "alias", "tags", "keywords", "subject", "description", "author", "authors", "categories",
           "category", "from", "to", "cc")  # fmt: skip
_NAMING_CHARACTERS = 2000
# How often the name of a document counts in its first passage, which is to be found first by it.
_IN_FIRST = 2
# Begins no word, so that beginnings and slips of words never meet names.
_NAME_MARK = "\x02"
_MOST_NAME_WORDS = 20


class IndexedDocument(Protocol):
    """A file with the properties of its document, as an index knows it; a `store.records.FileRecord` is one."""

    @property
    def path(self) -> bytes: ...

    @property
    def title(self) -> str: ...

    @property
    def metadata(self) -> Mapping[str, object]: ...

    @property
    def language(self) -> str: ...

    @property
    def type(self) -> str: ...


class DocumentTerms:
    """Makes the terms of the passages of one document.

    `path`: that of its file, in the bytes of the file system; `title`, `metadata`: the document's, as the index gives
    them back; `language`: its ISO 639-1 code, may be empty; `type_name`: its document type.
    """

    def __init__(self, path: bytes, title: str, metadata: Mapping[str, object], language: str, type_name: str) -> None:
        self._language = language
        self._type = type_name
        file_name = storable(os.path.basename(os.fsdecode(path)))
        stem = file_name.rpartition(".")[0] or file_name
        self._name = [*analyze(stem, language), SEPARATOR + lower(file_name)]
        called = [title, stem, file_name, *_listed(metadata.get("aliases")), *_listed(metadata.get("alias"))]
        self._called = list(dict.fromkeys(key for key in map(name_key, called) if key))
        values = [title, *(metadata[key] for key in _NAMING if key in metadata)]
        self._named = "\n".join(text for value in values for text in _listed(value))[:_NAMING_CHARACTERS]
        self._naming = analyze(self._named, language)

    @classmethod
    def of_indexed(cls, document: IndexedDocument) -> "DocumentTerms":
        """What makes the terms that the passages of `document` have in the index."""
        return cls(document.path, document.title, document.metadata, document.language, document.type)

    def is_named(self, text: str) -> bool:
        """Whether `text` is a name of the document, or stands in what else names it, such as its title."""
        return text in self._named or name_key(text) in self._called

    def of(self, heading: tuple[str, ...], text: str, is_first: bool) -> list[str]:
        """The term keys of the passage `text` under `heading`; `is_first`: it is the first of the document.

        A heading counts twice where it is written. The name of the file counts once in every passage that does not
        have its words anyway; in the first one it counts more, and what else names the document counts, too. There
        each name as a whole is a term, too (`name_key`).
        """
        own = analyze(encoded(heading, text), self._language, self._type)
        written = [name for name in heading if name in text[:HEADING_CHARACTERS]]
        own += analyze("\n".join(written), self._language, self._type)
        held = set(own)
        if not is_first:
            return own + [term for term in self._name if term not in held]
        return own + [term for term in self._naming if term not in held] + self._name * _IN_FIRST + self._called


def name_key(name: str) -> str:
    """The term key that a document called `name` has, and a query that is its whole name; empty without words."""
    words = " ".join(phrase_units(name)[:_MOST_NAME_WORDS])
    return SEPARATOR + _NAME_MARK + words if words else ""


def _listed(value: object) -> list[str]:
    """The texts of a property, which may be a list."""
    return [str(one) for one in (value if isinstance(value, list) else [value]) if one is not None]
