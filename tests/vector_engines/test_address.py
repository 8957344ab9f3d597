"""URLs of vector databases, taken apart and shown without what is secret."""

import pytest

from semsearch.errors import UsageError
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.opening import open_engine


def test_the_parts_of_a_url_are_decoded() -> None:
    address = Address.parse("qdrant://me%40x:p%2Fw@[::1]:7/my%20docs?tls=1&a=%26")
    assert (address.scheme, address.user, address.password) == ("qdrant", "me@x", "p/w")
    assert (address.host, address.port, address.name) == ("::1", 7, "my docs")
    assert address.options == {"tls": "1", "a": "&"}
    assert Address.parse(address.shown) == Address.parse("qdrant://me%40x@[::1]:7/my%20docs?tls=1&a=%26")


def test_what_is_not_there_is_empty() -> None:
    address = Address.parse("pgvector:///")
    assert (address.user, address.password, address.host, address.port, address.name) == ("", "", "", None, "")
    assert address.shown == "pgvector:///"


def test_what_is_secret_is_not_shown() -> None:
    address = Address.parse("x://me:secret1@h/c?api_key=secret2&sslpassword=secret3&token=secret4&sslkey=file&tls=1")
    assert address.shown == "x://me@h/c?sslkey=file&tls=1"
    assert address.secrets == ["secret1", "secret2", "secret3", "secret4"]


@pytest.mark.parametrize(
    "url",
    [
        "qdrant://:sec/ret@host/docs",
        "qdrant://:sec#ret@host/docs",
        "qdrant://me:secret@host:port/docs",
        "qdrant://me:secret@[host/docs",
        "qdrant://me:secret@host/docs?sec=ret",
        "qdrant://me:secret@host",
        "qdrant://me:secret@host/docs?tls=yes",
        "qdrant://:secret@host/docs?tls=0&tls=1",
        "chroma://me:secret@host/",
        "pgvector://me:secret@host/db?tabel=x",
        "mysql://me:secret@host/db",
        "me:secret@host/db",
    ],
)
def test_a_url_that_is_none_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(UsageError) as told:
        open_engine(url)
    for text in (told.value.message, told.value.hint):
        assert "secret" not in text and "\n" not in text


def test_opening_asks_nothing_of_the_database() -> None:
    for scheme in ("qdrant", "chroma", "pgvector"):
        url = f"{scheme}://:secret@host.invalid:1/name"
        engine = open_engine(url)
        assert engine.location == url.replace(":secret@", "")
        engine.close()
