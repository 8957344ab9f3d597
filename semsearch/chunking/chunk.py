"""A chunk: a passage of a document as it is indexed, and what identifies it."""

from dataclasses import dataclass
from hashlib import blake2b

from semsearch.sources.lines import LineStarts

# Characters at the start of a text in which its headings are looked for, and most characters of those put before it.
HEADING_CHARACTERS = 120


@dataclass(frozen=True)
class Chunk:
    """One passage of a document, as it is indexed, encoded and shown.

    `text`: verbatim from the document, without blanks around it.
    `heading`: its heading path, outermost first.
    `page`: from 1, None where the format has no pages.
    `line_start`, `line_end`: the first and last line, from 1, None where the format has no lines.
    `tokens`: its size with its headings, in tokens of `ChunkRules.tokenizer`.
    `line_breaks`: where counting the line ends in `text` would go wrong (`sources.lines.breaks_in`).
    """

    text: str
    heading: tuple[str, ...]
    page: int | None
    line_start: int | None
    line_end: int | None
    tokens: int
    line_breaks: LineStarts = ()

    def encoded(self) -> str:
        """The text that is embedded and analysed: the headings that `text` does not begin with, then `text`."""
        return encoded(self.heading, self.text)

    def hash(self) -> bytes:
        """16 bytes of BLAKE2b of `encoded()`: the key under which vectors are reused."""
        return hash_of(self.heading, self.text)


def encoded(heading: tuple[str, ...], text: str) -> str:
    """`Chunk.encoded` of a chunk with this heading path and text."""
    return prefix_of(heading, text) + text


def hash_of(heading: tuple[str, ...], text: str) -> bytes:
    """`Chunk.hash` of a chunk with this heading path and text."""
    return blake2b(encoded(heading, text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def prefix_of(heading: tuple[str, ...], text: str) -> str:
    """The line of headings that is put before `text`: those that do not occur at its beginning; may be empty."""
    missing = [name for name in heading if name not in text[:HEADING_CHARACTERS]]
    return " > ".join(missing)[:HEADING_CHARACTERS] + "\n" if missing else ""
