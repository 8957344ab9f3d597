"""What readers hand over is kept within what an index can hold."""

from semsearch.sources.document_builder import DocumentBuilder, Piece


def test_lines_and_pages_that_no_file_has_are_told_as_the_last_one() -> None:
    builder = DocumentBuilder("text")
    builder.page(10**30)
    builder.block("a", 10**30)
    builder.flow([Piece("b", 10**30)])
    builder.text("c", [(0, 10**30)])
    document = builder.document()
    assert document.sections[0].page == 2**31 - 1
    assert document.line_starts is not None
    assert {line for _, line in document.line_starts} == {2**31 - 1}


def test_a_document_has_so_much_text_at_most_and_tells_the_rest() -> None:
    builder = DocumentBuilder("text")
    builder.block("first", 1)
    for _ in range(2):
        builder.block("a" * 60_000_000, 2)
    builder.block("last", 3)
    document = builder.document(notice="a picture")
    assert len(document.text) == 100_000_000
    assert document.text.startswith("first")
    assert "last" not in document.text
    assert document.line_starts == ((0, 1), (7, 2), (60_000_009, 2))
    assert document.notice == "a picture; text beyond 100,000,000 characters left out"


def test_lines_are_counted_from_one() -> None:
    builder = DocumentBuilder("text")
    builder.block("a", 0)
    builder.text("b\nc", [(0, -5), (2, 0)])
    assert {line for _, line in builder.document().line_starts or ()} == {1}
