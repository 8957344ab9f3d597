"""The keys of vector databases: where they are found, and which cannot be sent."""

import os
from typing import TYPE_CHECKING

from semsearch.errors import UsageError

if TYPE_CHECKING:
    from semsearch.vector_engines.address import Address

# scheme -> the environment variable that a key or a password is put into, rather than into a URL.
VARIABLES = {
    "chroma": "CHROMA_API_KEY",
    "milvus": "MILVUS_PASSWORD",
    "pinecone": "PINECONE_API_KEY",
    "qdrant": "QDRANT_API_KEY",
    "weaviate": "WEAVIATE_API_KEY",
}


def key_for(address: "Address", in_url: bool = False) -> str:
    """The key for the server at `address`: that of its URL, where one may be `in_url`, else of the environment; "" for
    none.

    Raises `UsageError`, which tells neither, for a URL with something else in the place of a user and a password, and
    for a key that no header of HTTP can hold.
    """
    variable = VARIABLES[address.scheme]
    if address.user or (address.password and not in_url):
        said = "no user" if in_url else "no user and no password"
        raise UsageError(f"a {address.scheme}:// URL has {said}", f"set {variable} to the key")
    key = sendable(address.password or os.environ.get(variable, ""), variable)
    if not key.isascii():  # clients put the whole header into what they say of that
        raise UsageError(f"the key for {address.scheme}:// has characters other than ASCII", f"set {variable} anew")
    return key


def sendable(secret: str, variable: str) -> str:
    """`secret` without what a file of secrets leaves around it (a line feed, a carriage return). Raises `UsageError`,
    which does not tell it, where a control character is left inside."""
    secret = secret.strip()
    if any(ord(character) < 32 or ord(character) == 127 for character in secret):
        raise UsageError(f"what {variable} holds, or the URL in its place, has a control character in it",
                         f"set {variable} anew")  # fmt: skip
    return secret
