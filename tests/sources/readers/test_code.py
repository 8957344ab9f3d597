"""Source code by its grammars: headings, comments that go along, and what is no correct code."""

import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.sources import grammars
from semsearch.sources.document import Document
from semsearch.sources.document_types import may_be_parsed, read
from semsearch.sources.symbols import symbols_of
from tests.support.code_samples import SAMPLES, CodeSample

BY_NAME = {sample.name: sample for sample in SAMPLES}
# What may stand in or between definitions, and break them.
_PIECES = st.sampled_from(
    [
        *"{}()<;\n\r\0\t '\"`#é🙂\ufeff\ud800\x0c\u2028", "\r\n", "/*", "*/", "//", "<?php", "水道", "=>", "end\n",
        "def x():\n", "class A", "function f() {", "fn ", "<<A\n", "@", "#[", "#if X\n", "template <",
    ]
)  # fmt: skip


def paths(document: Document) -> list[str]:
    """The heading paths of `document` in the order in which they come first."""
    return list(dict.fromkeys(" > ".join(one.heading) for one in document.sections if one.heading))


def section(document: Document, path: str) -> str:
    """The text of the first section under the heading `path`."""
    return next(document.text[one.start : one.end] for one in document.sections if " > ".join(one.heading) == path)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_symbols_are_headings_with_their_signatures(sample: CodeSample) -> None:
    document = read(sample.name, sample.text.encode())
    assert tuple(paths(document)) == sample.paths
    assert document.text == sample.text and document.metadata["symbols"] == len(sample.paths)


@pytest.mark.parametrize(
    ("name", "path", "first"),
    [
        ("tide.py", "class Tide(Moon)", "# What a tide is.\n@kept"),
        ("tide.ts", "export class Tide<T> extends Moon<T> implements Wave", "/** A tide. */\n@Component"),
        ("Tide.java", "public class Tide<T> extends Moon > public Tide(int height)", "  /** Makes one. */\n  public"),
        ("tide.c", "static int rise(int metres, struct moon *by)", "/* Adds. */\nstatic int\nrise"),
        ("tide.cpp", "class Tide : public Moon<T>", "// A tide.\ntemplate"),
        ("Tide.cs", "public class Tide<T> : Moon > public async Task<int> At(int hour)", "    /// When.\n    [Obs"),
        ("tide.go", "type Tide struct", "// Tide is a tide.\ntype Tide"),
        ("tide.rs", "pub struct Tide<T>", "/// A tide.\n#[derive(Debug)]\npub struct"),
        ("tide.sh", "rise()", "# Rises.\nrise()"),
    ],
)
def test_comments_and_attributes_above_go_along(name: str, path: str, first: str) -> None:
    assert section(read(name, BY_NAME[name].text.encode()), path).startswith(first)


def test_a_comment_apart_or_behind_other_code_does_not() -> None:
    text = "# About the file.\n\nx = 1  # about x\ndef rise(): pass\n"
    assert section(read("a.py", text.encode()), "def rise()") == "def rise(): pass\n"
    text = "# About x.\nx = 1  # more about x\n# About rise.\ndef rise(): pass\n"
    assert section(read("a.py", text.encode()), "def rise()") == "# About rise.\ndef rise(): pass\n"


def test_closing_brackets_stay_with_what_they_close() -> None:
    document = read("a.js", b"class Tide {\n  rise() {\n    return 1;\n  }\n}  // Tide\n\nlet x = 1;\n")
    assert section(document, "class Tide > rise()") == "  rise() {\n    return 1;\n  }\n}  // Tide\n\n"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_encodings_change_nothing(sample: CodeSample, end: str) -> None:
    expected = read(sample.name, sample.text.encode())
    found = read(sample.name, sample.text.replace("\n", end).encode("utf-16"))
    assert found.sections == expected.sections and found.line_starts == expected.line_starts


def test_places_are_exact_behind_characters_of_several_bytes() -> None:
    text = 'x = "水道 🙂 é"\n\n\ndef naïve(ß):\n    """🙂"""\n\n\ndef rise(): pass\n'
    document = read("a.py", text.encode())
    assert section(document, "def naïve(ß)").startswith("def naïve") and paths(document)[1] == "def rise()"


def test_where_code_is_not_correct_definitions_are_found_as_without_a_grammar() -> None:
    text = "fun rise() {\n  return 1\n}\n\n))) broken @@ (((\nclass Tide :: {{ ]]\n\nfun fall() = 2\n"
    document = read("a.kt", text.encode())
    assert {"fun rise()", "Tide"} <= set(paths(document))
    assert document.text == text


def test_a_function_that_is_not_closed_does_not_swallow_what_follows() -> None:
    document = read("a.js", b"function first() {\n  if (x) {\n}\n\nfunction second() {\n  return 2;\n}\n")
    assert "function second()" in paths(document)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_no_text_is_lost(sample: CodeSample, data: st.DataObject) -> None:
    text = sample.text
    for piece in data.draw(st.lists(_PIECES, max_size=6)):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(at, min(len(text), at + 20)))
        text = text[:at] + piece + text[cut:]
    content = text.encode("utf-8", "surrogatepass")
    found, plain = read(sample.name, content), read(sample.name, content, grammar=False)
    assert (found.text, found.line_starts, found.notice) == (plain.text, plain.line_starts, plain.notice)
    ends = [0, *(one.end for one in found.sections)]
    assert [one.start for one in found.sections] == ends[:-1] and ends[-1] == len(found.text)
    starts = {one.start for one in found.sections}
    assert all(start in starts and end in ends and start < end for start, end in found.wholes)
    for (first, last), (start, end) in zip(found.wholes, found.wholes[1:], strict=False):
        assert first <= start and (end <= last or start >= last), "beside or within the one before"


def nested(depth: int) -> str:
    return "".join(f"{'  ' * number}function f{number}() {{\n" for number in range(depth)) + "}" * depth


@pytest.mark.parametrize(
    "text",
    [
        nested(300),
        "function f(){" * 20_000 + "}" * 20_000,
        "function f(){return 1}" * 30_000,
        "var a=[" + "1," * 300_000 + "];function f(){}",
        "// " + "x" * 900_000 + "\nfunction f(){}",
        "function f(){}" + ")" * 900_000,
    ],
    ids=["nested lines", "nested", "minified", "array", "long comment", "closers"],
)
def test_what_is_generated_is_read_in_linear_time(text: str) -> None:
    begin = time.process_time()
    document = read("a.js", text.encode())
    assert time.process_time() - begin < 20
    assert document.text == text and max(len(one.heading) for one in document.sections) <= 6


def test_more_than_a_million_bytes_are_not_parsed() -> None:
    document = read("a.js", b"function rise() {}\n" * 60_000)
    assert document.metadata["symbols"] == 0 and paths(document) == ["rise"]


def test_which_names_may_be_those_of_code() -> None:
    assert [may_be_parsed(name) for name in ("a.py", "b/run", "a.TSX", "a.md", "a.lua", "a.pdf", ".profile")] == [
        True, True, True, False, False, False, True,
    ]  # fmt: skip


class _WithoutGrammars:
    """Finds modules as before, but for the grammars."""

    def __init__(self, finder: object) -> None:
        self._finder = finder

    def find_spec(self, name: str, *more: object) -> object:
        return None if name.startswith("tree_sitter") else self._finder.find_spec(name, *more)  # type: ignore[attr-defined]


@pytest.fixture
def without_grammars(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", [_WithoutGrammars(finder) for finder in sys.meta_path])
    grammars.are_installed.cache_clear()
    yield
    grammars.are_installed.cache_clear()


@pytest.mark.usefixtures("without_grammars")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_without_the_grammars_code_is_read_by_its_definitions(sample: CodeSample) -> None:
    document = read(sample.name, sample.text.encode())
    assert document.text == sample.text and not document.wholes and "symbols" not in document.metadata
    assert all(" " not in name for one in document.sections for name in one.heading), "names, not signatures"


def test_a_version_with_grammars_is_above_one_without(without_grammars: None) -> None:
    own = grammars.readers_version()
    assert not grammars.with_grammars(own) and grammars.with_grammars(own + 1)
    assert grammars.readers_version(own + 1) == own


def test_other_types_have_no_symbols() -> None:
    assert symbols_of("function f() {}", "lua") is None
