"""How the comments that people wrote into a document are told."""

from semsearch.sources.document_builder import plain


def comment_by(author: str | None, text: str) -> str:
    """`text` on one line, with its author where the document names one; empty where it says nothing."""
    text, author = plain(text), plain(author or "")
    if not text:
        return ""
    return f"Comment by {author}: {text}" if author else f"Comment: {text}"
