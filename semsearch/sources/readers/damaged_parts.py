"""The errors by which a part of a document in an archive shows that it cannot be read."""

import zipfile
import zlib


def errors_of_damage() -> tuple[type[Exception], ...]:
    """Those of a part that is damaged, is no XML, or is packed in a way that is not known."""
    from lxml import etree

    return etree.XMLSyntaxError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError


def notice_of(parts: list[str]) -> str:
    """Tells that `parts` cannot be read; empty where there are none."""
    return f"{', '.join(dict.fromkeys(parts))} cannot be read" if parts else ""
