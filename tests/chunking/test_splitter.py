import re
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.chunking.splitter import ChunkRules, _cut_quality, split
from semsearch.chunking.tokenizers import Starts, SubwordTokenizer, TiktokenTokenizer
from semsearch.embedding.resolve import resolve
from semsearch.errors import UsageError
from semsearch.sources.document import Document, Section
from semsearch.sources.document_types import read
from semsearch.sources.lines import line_starts_of
from tests.support.code_samples import SAMPLES, CodeSample


@pytest.fixture(scope="module")
def ruler() -> SubwordTokenizer:
    source = resolve("all-MiniLM-L6-v2")
    path = source.tokenizer_path()
    assert path is not None
    return SubwordTokenizer("all-MiniLM-L6-v2", path)


def rules(ruler: SubwordTokenizer, size: int = 254, overlap: int = 32, window: int = 254) -> ChunkRules:
    return ChunkRules(size, overlap, ruler, window, ruler)


def text_document(text: str) -> Document:
    return Document(text, "text", (Section(0, len(text)),), line_starts_of(text))


def check(document: Document, chunk_rules: ChunkRules) -> None:
    chunks = split(document, chunk_rules)
    lines = document.text.split("\n")
    begins = list(accumulate((len(line) + 1 for line in lines), initial=0))
    position = 0
    covered = [False] * len(document.text)
    for chunk in chunks:
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.line_start is not None and chunk.line_end is not None
        # Only what overlaps begins before the end of the one before; short texts may stand in several places.
        low = position - len(chunk.text) if chunk_rules.overlap else position
        start = document.text.index(chunk.text, max(0, low, begins[chunk.line_start - 1]))
        covered[start : start + len(chunk.text)] = [True] * len(chunk.text)
        position = start + len(chunk.text)
        assert chunk.text.split("\n")[0] in lines[chunk.line_start - 1]
        assert chunk.line_end - chunk.line_start == chunk.text.count("\n")
        assert len(chunk_rules.embedder.starts(chunk.encoded())) <= chunk_rules.window
    assert all(seen or character.isspace() for seen, character in zip(covered, document.text, strict=True))


WORDS = st.lists(
    st.sampled_from(["pump", "valve.", "水道", "\n", "\n\n", "E-417", "naïve", "antidisestablishmentarianism", "🙂"]),
    max_size=300,
).map(lambda words: [f"{word}{number}" if word.strip() else word for number, word in enumerate(words)])


@settings(max_examples=60, deadline=None)
@given(WORDS, st.sampled_from([(16, 0), (16, 4), (40, 12), (254, 32)]))
def test_no_text_is_lost_and_no_window_exceeded(
    ruler: SubwordTokenizer, words: list[str], shape: tuple[int, int]
) -> None:
    size, overlap = shape
    check(text_document(" ".join(words)), rules(ruler, size, overlap, max(size, 64)))


def test_one_long_line_and_one_long_word(ruler: SubwordTokenizer) -> None:
    check(text_document(" ".join(f"word{number}" for number in range(5000))), rules(ruler))
    check(text_document("".join(map(str, range(2000)))), rules(ruler))
    check(text_document("".join(map(chr, range(0x4E00, 0x4E00 + 3000)))), rules(ruler))


def test_cuts_stand_at_paragraphs_before_sentences_before_words(ruler: SubwordTokenizer) -> None:
    paragraphs = ["The pump runs at night. " * 9 + "It stops at dawn." for _ in range(6)]
    chunks = split(text_document("\n\n".join(paragraphs)), rules(ruler, size=130, overlap=0))
    assert all(chunk.text.endswith("It stops at dawn.") for chunk in chunks)
    chunks = split(text_document("The pump runs at night and rests by day. " * 60), rules(ruler, size=100, overlap=0))
    assert all(chunk.text.endswith("day.") for chunk in chunks)


def test_overlap_repeats_whole_sentences_and_never_makes_a_chunk_of_repetition(ruler: SubwordTokenizer) -> None:
    text = " ".join(f"Sentence number {number} is about valve {number}." for number in range(200))
    chunks = split(text_document(text), rules(ruler, size=100, overlap=25))
    for before, after in pairwise(chunks):
        first = re.match(r"Sentence number \d+ is about valve \d+\.", after.text)
        assert first, after.text
        assert first.group() in before.text
        assert after.text.rsplit("Sentence", 1)[1] not in before.text


def test_headings_are_kept_and_prefixed_where_the_text_does_not_show_them(ruler: SubwordTokenizer) -> None:
    body = " ".join(f"Sentence {number} about turbines and tides." for number in range(40))
    document = read("a.md", f"# Manual\n\n{body}\n\n## Blades\n\n{body.upper()}\n".encode())
    chunks = split(document, rules(ruler))
    blades = [chunk for chunk in chunks if chunk.heading == ("Manual", "Blades")]
    assert len(blades) >= 2
    assert blades[0].encoded().startswith("Manual\n## Blades")
    assert blades[1].encoded().startswith("Manual > Blades\n")
    check(document, rules(ruler))


def test_small_sections_are_joined_under_their_common_heading(ruler: SubwordTokenizer) -> None:
    document = read("a.md", b"# Top\n\none\n\n## A\n\ntwo\n\n## B\n\nthree\n")
    chunks = split(document, rules(ruler))
    assert [(chunk.heading, chunk.line_start, chunk.line_end) for chunk in chunks] == [(("Top",), 1, 11)]


def test_sections_joined_without_a_common_heading_are_told_under_all_of_theirs(ruler: SubwordTokenizer) -> None:
    ferry, tide = "def ferry():\n    return 1\n", "def tide():\n    return 2\n"
    assert [chunk.heading for chunk in split(read("a.py", f"{ferry}\n\n{tide}".encode()), rules(ruler))] == [
        ("def ferry(); def tide()",)
    ]
    chunks = split(read("a.py", f"{ferry}\n\n".encode()), rules(ruler))
    assert [chunk.heading for chunk in chunks] == [("def ferry()",)], "what is blank has no heading to share"
    chunks = split(read("a.py", f"import os\n\n{ferry}".encode()), rules(ruler))
    assert [chunk.heading for chunk in chunks] == [()], "a part of it stands under none"
    many = "\n\n".join(
        f"def {name}_of_the_harbour():\n    pass" for name in ("ferry", "tide", "mole", "quay", "crane", "buoy")
    )
    (chunk,) = split(read("a.py", many.encode()), rules(ruler))
    assert len(chunk.heading[0]) == 120 and chunk.heading[0].endswith("…")


def test_pages_are_never_joined(ruler: SubwordTokenizer) -> None:
    document = Document("one\n\ntwo\n\n", "pdf", (Section(0, 5, (), 1), Section(5, 10, (), 2)), None)
    assert [(chunk.page, chunk.line_start) for chunk in split(document, rules(ruler))] == [(1, None), (2, None)]


def test_a_larger_size_in_another_tokenizer_still_fits_the_embedder(ruler: SubwordTokenizer) -> None:
    class Words:
        name = "words"

        def starts(self, text: str) -> Starts:
            return np.array([match.start() for match in re.finditer(r"\S+", text)], np.int64)

    chunk_rules = ChunkRules(400, 20, Words(), 254, ruler)
    words = (f"hydroelectrically interconnected turbogenerators {number}." for number in range(400))
    check(text_document(" ".join(words)), chunk_rules)


def test_a_tokenizer_that_is_not_here_is_named_with_a_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="no tokenizer called nonsense"):
        TiktokenTokenizer("nonsense")


@given(st.text(st.sampled_from('ab .!?)"”\n\t\r。」\u2028é'), max_size=60))
def test_cuts_are_rated_as_regular_expressions_rate_them(body: str) -> None:
    starts = np.array([found.start() for found in re.finditer(r"\w+|[^\w\s]", body)], np.int64)
    expected = np.full(len(starts) + 1, -8.0)
    rated = ((r"\s+", 1.0), (r"(?<=[.!?…])[\"'”’)\]]{0,4}\s+|(?<=[。！？])[」』”’)]*", 3.0), (r"\n", 3.0))
    for pattern, value in (*rated, (r"\n[^\S\n]*\n\s*", 4.0)):
        expected[np.searchsorted(starts, [found.end() for found in re.finditer(pattern, body)])] = value
    assert _cut_quality(body, starts).tolist() == expected.tolist()


def function(name: str, statements: int, indent: str = "") -> str:
    body = "".join(f"{indent}    tide_{number} = harbour.read({number})\n" for number in range(statements))
    return f"{indent}# About {name}.\n{indent}def {name}(harbour: Harbour):\n{body}"


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(SAMPLES), st.lists(st.integers(1, 60), min_size=1, max_size=6),
    st.sampled_from([(16, 0), (40, 12), (100, 32), (254, 32)]), st.integers(0, 2**32),
)  # fmt: skip
def test_code_loses_no_text_and_keeps_its_lines(
    ruler: SubwordTokenizer, sample: CodeSample, counts: list[int], shape: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    lines = [f"{line}  // {number}" for number, line in enumerate((sample.text * 3).split("\n"))]
    for count in counts:
        at = int(random.integers(0, len(lines)))
        lines[at : at + int(random.integers(0, 3))] = [f"  call({count}, {number});" for number in range(count)]
    size, overlap = shape
    check(read(sample.name, "\n".join(lines).encode()), rules(ruler, size, overlap))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), min_size=1, max_size=12), st.integers(60, 254))
def test_a_function_that_fits_a_chunk_is_never_cut(
    ruler: SubwordTokenizer, shape: list[tuple[int, int]], size: int
) -> None:
    functions = []
    text = "import harbour\n\n"
    for number, (kind, statements) in enumerate(shape):
        indent = "    " if kind else ""
        if kind == 1:
            text += f'\nclass Sea{number}:\n    """A sea."""\n\n'
        elif kind:
            text += f"\ndef outer_{number}():\n" + "".join(f"    wave({wave})\n" for wave in range(60)) + "\n"
        functions.append(function(f"f_{number}", statements, indent))
        text += functions[-1] + "\n" + ("    rise()\n" * 5 if kind > 1 else "")
    document = read("a.py", text.encode())
    chunks = split(document, rules(ruler, size))
    for one in functions:
        if len(ruler.starts(one)) + 40 <= size:  # with what may be put before it
            assert any(one.strip() in chunk.text for chunk in chunks), one
    check(document, rules(ruler, size))


def test_a_function_that_does_not_fit_is_cut_and_its_parts_are_told_under_it(ruler: SubwordTokenizer) -> None:
    text = "class Sea:\n" + function("rise", 30, "    ")
    chunks = split(read("a.py", text.encode()), rules(ruler, 200, 0))
    assert len(chunks) > 2
    assert {chunk.heading for chunk in chunks[1:]} == {("class Sea", "def rise(harbour: Harbour)")}


def test_short_functions_within_one_that_fits_stay_with_it(ruler: SubwordTokenizer) -> None:
    text = "def outer():\n" + function("inner", 6, "    ") + function("other", 6, "    ")
    (chunk,) = split(read("a.py", text.encode()), rules(ruler))
    assert chunk.heading == ("def outer()",) and chunk.text == text.strip()
    chunks = split(read("a.py", text.encode()), rules(ruler, 120))
    assert [chunk.heading for chunk in chunks] == [("def outer()",), ("def outer()", "def other(harbour: Harbour)")]
    assert [chunk.text.count("# About") for chunk in chunks] == [1, 1]


def test_parts_of_a_document_keep_its_wholes() -> None:
    document = read("a.py", "".join(function(f"f_{number}", 3) for number in range(40)).encode())
    parts = list(document.pieces(1000))
    assert sum(len(part.wholes) for part in parts) > 20
    for part in parts:
        assert all(part.text[start:end].startswith("# About f_") for start, end in part.wholes)
