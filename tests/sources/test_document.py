"""A document in pieces is the whole one: its text, headings and lines, and one beginning."""

from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.document import Document, Section
from semsearch.sources.lines import line_of, line_starts_of


@given(st.text("ab\n", min_size=1, max_size=60), st.integers(1, 20), st.booleans())
def test_pieces_put_together_are_the_document(text: str, size: int, own: bool) -> None:
    half = len(text) // 2
    sections = (Section(0, half, ("One",)), Section(half, len(text), ("Two",)))
    document = Document(text, "text", sections, line_starts_of(text), "Title", {"a": "b"}, "", own)
    pieces = list(document.pieces(size))
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.own for piece in pieces] == [own, *[False] * (len(pieces) - 1)]
    start = 0
    for piece in pieces:
        assert (piece.title, piece.metadata) == (document.title, document.metadata)
        for section in piece.sections:
            for offset in range(section.start, section.end):
                assert section.heading == (("One",) if start + offset < half else ("Two",))
        for offset in range(len(piece.text)):
            assert line_of(piece.line_starts or (), offset) == line_of(document.line_starts or (), start + offset)
        start += len(piece.text)


def test_nothing_that_is_stored_has_half_of_a_character() -> None:
    document = Document("a \ud800 b", "text", (Section(0, 5, ("One \udfff", "Two")),), None).storable()
    assert (document.text, document.sections[0].heading) == ("a ? b", ("One ?", "Two"))
    whole = Document("a", "text", (Section(0, 1, ("One",)),), None)
    assert whole.storable() is whole
