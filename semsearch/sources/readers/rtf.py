"""Rich Text Format: its paragraphs, without formatting, by striprtf."""

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` as one section."""
    from striprtf.striprtf import rtf_to_text

    builder = DocumentBuilder(type_name)
    # RTF is ASCII; striprtf decodes the escapes of other characters.
    for paragraph in rtf_to_text(data.decode("latin-1"), errors="replace").split("\n"):
        builder.lines(paragraph)
    return builder.document()
