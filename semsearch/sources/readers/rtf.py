"""Rich Text Format."""

from semsearch.sources.building import DocumentBuilder
from semsearch.sources.document import Document


def read(data: bytes, type_name: str) -> Document:
    from striprtf.striprtf import rtf_to_text

    builder = DocumentBuilder(type_name)
    # RTF is ASCII; other characters are escapes, which striprtf decodes.
    for paragraph in rtf_to_text(data.decode("latin-1"), errors="replace").split("\n"):
        builder.lines(paragraph)
    return builder.document()
