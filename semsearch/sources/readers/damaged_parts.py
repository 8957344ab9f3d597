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


# Parts and notices that are told one by one, and characters of each; of more their number.
_MOST_TOLD = 20
_MOST_CHARACTERS = 200


class Missing:
    """Collects what is missing in the text of a document."""

    def __init__(self) -> None:
        # In the order in which it was told, each once.
        self._parts: dict[str, None] = {}
        self._notices: dict[str, None] = {}
        self._more_parts = self._more_notices = 0

    def part(self, name: str) -> None:
        """Tells that the part `name` cannot be read."""
        self._more_parts += not _tell(self._parts, name)

    def tell(self, notice: str) -> None:
        """Tells something else, for people."""
        self._more_notices += not _tell(self._notices, notice)

    def notice(self) -> str:
        """All that was told; empty where nothing was."""
        more_parts = f" and {self._more_parts:,} more" if self._more_parts else ""
        parts = f"{', '.join(self._parts)}{more_parts} cannot be read" if self._parts else ""
        more = f"and {self._more_notices:,} more" if self._more_notices else ""
        return "; ".join(filter(None, (parts, *self._notices, more)))


def _tell(told: dict[str, None], what: str) -> bool:
    """Adds `what` to `told`, or returns False where that is full."""
    what = what if len(what) <= _MOST_CHARACTERS else what[:_MOST_CHARACTERS] + "…"
    if what not in told and len(told) == _MOST_TOLD:
        return False
    told[what] = None
    return True
