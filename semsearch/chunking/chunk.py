"""A chunk: a passage of a document as it is indexed, and what identifies it."""

from dataclasses import dataclass
from hashlib import blake2b

# Characters at the start of a text in which its headings are looked for, and most characters of those put before it.
HEADING_CHARACTERS = 120


@dataclass(frozen=True)
class Chunk:
    """One passage of a document, as it is indexed, encoded and shown.

    `text` is verbatim from the document; `heading` its heading path; `page` and the 1-based inclusive lines
    are None where the format has none; `tokens` is its size with its
    headings, in the tokenizer that cut it.
    """

    text: str
    heading: tuple[str, ...]
    page: int | None
    line_start: int | None
    line_end: int | None
    tokens: int

    def encoded(self) -> str:
        """What the embedder and the analyzer see: the headings the text does not show itself, then the text."""
        return encoded(self.heading, self.text)

    def hash(self) -> bytes:
        """16 bytes that are equal exactly when `encoded()` is: the key of vector reuse."""
        return hash_of(self.heading, self.text)


def encoded(heading: tuple[str, ...], text: str) -> str:
    """`Chunk.encoded` of a chunk with this heading path and text."""
    return prefix_of(heading, text) + text


def hash_of(heading: tuple[str, ...], text: str) -> bytes:
    """`Chunk.hash` of a chunk with this heading path and text."""
    return blake2b(encoded(heading, text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def prefix_of(heading: tuple[str, ...], text: str) -> str:
    missing = [name for name in heading if name not in text[:HEADING_CHARACTERS]]
    return " > ".join(missing)[:HEADING_CHARACTERS] + "\n" if missing else ""
