"""Web pages saved in one file (MHTML): the page; its pictures are not read."""

from semsearch.sources.readers.email import read_page as read

__all__ = ["read"]
