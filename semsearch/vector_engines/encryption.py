"""Whether the way to a vector database is encrypted."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semsearch.vector_engines.address import Address


@dataclass(frozen=True)
class Encryption:
    """`tls`: it is encrypted. `hint`: "", or what to add to the hint of an error, where nobody asked for that."""

    tls: bool
    hint: str = ""

    @classmethod
    def of(cls, address: "Address", key: str) -> "Encryption":
        """As `tls` in the URL says, 1 or 0; else where a `key` goes to another machine. Raises `UsageError`."""
        asked = address.switch("tls")
        if asked is not None:
            return cls(asked)
        if key and not _is_this_machine(address.host):
            return cls(True, "; without TLS, add ?tls=0: the key is then sent in clear")
        return cls(False)


def _is_this_machine(host: str) -> bool:
    try:
        return host in ("", "localhost") or ip_address(host).is_loopback
    except ValueError:
        return False
