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
