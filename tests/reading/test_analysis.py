"""One file becomes parts: what is told of the file, of each document in it, and the terms of their passages."""

import os
from pathlib import Path

import pytest

from semsearch import settings
from semsearch.chunking.splitter import ChunkRules
from semsearch.embedding.resolve import resolve
from semsearch.lexical.document_terms import name_key
from semsearch.reading import analysis
from semsearch.reading.analysis import FilePart, ReadRules, Task, analyze_file
from semsearch.store.records import Chunking
from tests.support.folders import write
from tests.support.mail import GERMAN, mailbox, message


@pytest.fixture(scope="module")
def reading() -> ReadRules:
    source = resolve(settings.DEFAULT_MODEL)
    chunking = Chunking(None, None, None, settings.ANALYSIS_VERSION)
    return ReadRules(source.name, str(source.tokenizer_path()), source.window() or 0, chunking)


@pytest.fixture(scope="module")
def rules(reading: ReadRules) -> ChunkRules:
    return reading.chunk_rules()


def parts_of(path: Path, rules: ChunkRules, reading: ReadRules) -> list[FilePart]:
    parts = list(analyze_file(Task(str(path.parent), path.name, os.stat(path).st_size), rules, reading))
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(part.stamp and part.digest and part.status == "indexed" for part in parts)
    return parts


def named(part: FilePart, name: str) -> list[int]:
    """The numbers of the chunks of `part` that have the term of a document that is called `name`."""
    return [number for number, terms in enumerate(part.terms) if name_key(name) in terms]


def test_each_message_of_a_mailbox_has_its_own_properties(
    tmp_path: Path, rules: ChunkRules, reading: ReadRules
) -> None:
    write(tmp_path, {"a.mbox": mailbox(message("Pumps", "The pump stands near the well."), message("Ventile", GERMAN))})
    one, two = parts_of(tmp_path / "a.mbox", rules, reading)
    for part, title, code in ((one, "Pumps", "en"), (two, "Ventile", "de")):
        assert part.document is not None and part.document.date is not None
        assert (part.document.title, part.document.language, part.language) == (title, code, code)
        assert part.document.metadata["from"] == "Ada <ada@example.org>"
        # Of the file only what holds for all of it is told.
        assert (part.type, part.title, part.metadata, part.date) == ("mbox", "", {}, None)
        assert named(part, title) == [0]


@pytest.mark.parametrize("name", ["long.txt", "long.md"])
def test_a_long_document_is_one_in_all_its_parts(
    tmp_path: Path, rules: ChunkRules, reading: ReadRules, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(analysis, "_PIECE_CHARACTERS", 2000)
    write(tmp_path, {name: "# Long walk\n\n" + "We pass the hedge near the well and go on.\n" * 100 + GERMAN * 20})
    parts = parts_of(tmp_path / name, rules, reading)
    assert len(parts) > 2
    assert {(part.title, part.language, part.document) for part in parts} == {(parts[0].title, "en", None)}
    assert [named(part, name) for part in parts] == [[0], *[[]] * (len(parts) - 1)]


def test_a_long_message_is_one_document(
    tmp_path: Path, rules: ChunkRules, reading: ReadRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "_PIECE_CHARACTERS", 2000)
    long = "We pass the hedge near the well and go on.\n" * 100 + GERMAN * 20
    box = mailbox(message("Before", "Short."), message("Long walk", long), message("After", "Short."))
    write(tmp_path, {"a.mbox": box})
    parts = parts_of(tmp_path / "a.mbox", rules, reading)
    begins = [part.document.title if part.document else "" for part in parts]
    assert begins == ["Before", "Long walk", *[""] * (len(parts) - 3), "After"] and len(parts) > 4
    # No later part is taken for another document, in another language, that begins anew.
    assert [named(part, "Long walk") for part in parts] == [[], [0], *[[]] * (len(parts) - 2)]
    assert {part.language for part in parts[1:-1]} == {"en"}


def test_what_a_blank_beginning_has_no_passage_for_is_named_by_the_next(
    tmp_path: Path, rules: ChunkRules, reading: ReadRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "_PIECE_CHARACTERS", 200)
    write(tmp_path, {"late.txt": "\n" * 500 + "The first words come late.\n"})
    *blank, last = parts_of(tmp_path / "late.txt", rules, reading)
    assert blank and not any(part.chunks for part in blank)
    assert named(last, "late") == [0]
