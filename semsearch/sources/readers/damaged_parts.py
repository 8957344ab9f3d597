"""What of a document in an archive is missing in its text: parts that cannot be read, and what was left out."""

import lzma
import zipfile
import zlib


def errors_of_damage() -> tuple[type[Exception], ...]:
    """Those of a part that is damaged, encrypted, no XML, or packed in a way that is not known.

    `OSError` is what bzip2 raises: the archive is in memory, so that it is none of the disk.
    """
    from lxml import etree

    packing = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError)
    return (etree.XMLSyntaxError, *packing, UnicodeDecodeError, RuntimeError)


class Missing:
    """Collects what is missing in the text of a document."""

    def __init__(self) -> None:
        # In the order in which it was told, each once.
        self._parts: dict[str, None] = {}
        self._notices: dict[str, None] = {}

    def part(self, name: str) -> None:
        """Tells that the part `name` cannot be read."""
        self._parts[name] = None

    def tell(self, notice: str) -> None:
        """Tells something else, for people."""
        self._notices[notice] = None

    def notice(self) -> str:
        """All that was told; empty where nothing was."""
        parts = f"{', '.join(self._parts)} cannot be read" if self._parts else ""
        return "; ".join(filter(None, (parts, *self._notices)))
