"""PDF: the text of each page by pypdf, one section a page, document properties into metadata."""

import io
import logging

from semsearch.errors import ReadError
from semsearch.sources.document import Document, Section

_PROPERTIES = {"/Author": "author", "/Subject": "subject", "/Keywords": "keywords", "/CreationDate": "created"}


def read(data: bytes, type_name: str) -> Document:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings name no file; ours do
    try:
        pdf = pypdf.PdfReader(io.BytesIO(data))
        if pdf.is_encrypted and not pdf.decrypt(""):
            raise ReadError("encrypted PDF: needs a password")
        pages = [page.extract_text() for page in pdf.pages]
        properties = pdf.metadata or {}
        title = str(properties.get("/Title") or "").strip()
        metadata: dict[str, object] = {
            name: str(properties[key]) for key, name in _PROPERTIES.items() if properties.get(key)
        }
    except ReadError:
        raise
    except (Exception, RecursionError) as error:
        # pypdf raises whatever its parsing trips over: KeyError, ValueError, struct.error, zlib.error ...
        raise ReadError(f"damaged PDF: {type(error).__name__}: {error}") from error
    # A PDF may hold unpaired surrogates, which no database column takes.
    texts = [text.encode("utf-8", "replace").decode("utf-8") for text in pages]
    if not any(text.strip() for text in texts):
        raise ReadError(f"no text on any of its {len(pages)} pages: needs OCR", skip=True)
    sections, parts, offset = [], [], 0
    for number, text in enumerate(texts, 1):
        part = text + "\n\n"
        sections.append(Section(offset, offset + len(part), (title,) if title else (), number))
        parts.append(part)
        offset += len(part)
    return Document("".join(parts), type_name, tuple(sections), None, title, metadata | {"pages": len(pages)})
