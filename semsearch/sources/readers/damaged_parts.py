"""The errors by which a part of a document in an archive shows that it cannot be read."""

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


def notice_of(parts: list[str]) -> str:
    """Tells that `parts` cannot be read; empty where there are none."""
    return f"{', '.join(dict.fromkeys(parts))} cannot be read" if parts else ""
