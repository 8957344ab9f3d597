"""The way in: `open_store` tells by its name what keeps an index."""

import re
from typing import TYPE_CHECKING

from semsearch.errors import SemsearchError, UsageError

if TYPE_CHECKING:
    from semsearch.store.protocol import Store

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://")


def open_store(location: str) -> "Store":
    """The index at `location`, a folder. Nothing is read or made yet. Raises `UsageError` for a URL of no engine."""
    url = _URL.match(location)
    if url is not None:
        raise UsageError(f"there is no engine for {url['scheme']}://", "name a folder")
    from semsearch.store.local.store import LocalStore

    return LocalStore(location)


def require(store: "Store", capability: str, command: str) -> None:
    """Raises `SemsearchError` where `store` does not have the `capability` that `command` needs."""
    if capability not in store.capabilities:
        raise SemsearchError(
            f"{store.location} cannot do that: its engine has no {command}",
            "an index in a folder of this machine has",
            code="not_supported",
        )
