"""A key goes to another machine encrypted, but where the URL says otherwise."""

import pytest

from semsearch.errors import UsageError
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.encryption import Encryption


@pytest.mark.parametrize(
    ("url", "key", "tls", "guessed"),
    [
        ("milvus://db.example/docs", "", False, False),
        ("milvus://db.example/docs", "secret", True, True),
        ("milvus://db.example/docs?tls=0", "secret", False, False),
        ("milvus://db.example/docs?tls=1", "", True, False),
        ("milvus://localhost/docs", "secret", False, False),
        ("milvus://127.0.0.9/docs", "secret", False, False),
        ("milvus://[::1]/docs", "secret", False, False),
        ("milvus:///docs", "secret", False, False),
        ("milvus://10.0.0.1/docs", "secret", True, True),
    ],
)
def test_tls_is_used_where_a_key_leaves_this_machine(url: str, key: str, tls: bool, guessed: bool) -> None:
    found = Encryption.of(Address.parse(url), key)
    assert found.tls is tls
    assert bool(found.hint) is guessed


def test_tls_is_0_or_1() -> None:
    with pytest.raises(UsageError):
        Encryption.of(Address.parse("milvus://db.example/docs?tls=yes"), "")
