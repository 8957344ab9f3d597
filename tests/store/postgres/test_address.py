"""The URL of an index: what libpq gets, what is told, and what is secret."""

import pytest

from semsearch import settings
from semsearch.errors import UsageError
from semsearch.store.postgres.address import Address


@pytest.mark.parametrize(
    ("url", "bare", "secrets"),
    [
        ("postgresql://u:p%40w@h/d", "postgresql://u@h/d", {"password": "p@w"}),
        ("postgresql://u:p?w#x@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require", {"password": "p?w#x"}),
        ("postgresql://u@h/d?password=a%2Fb&schema=s", "postgresql://u@h/d?schema=s", {"password": "a/b"}),
        ("postgresql://u@e/d?pass%77ord=hidden", "postgresql://u@e/d", {"password": "hidden"}),
        ("postgresql://k/d?sslpassword=secret&sslkey=f", "postgresql://k/d?sslkey=f", {"sslpassword": "secret"}),
        ("postgresql://o/d?oauth_client_secret=secret", "postgresql://o/d", {"oauth_client_secret": "secret"}),
        ("postgresql://u:@h/d", "postgresql://u@h/d", {"password": ""}),
        ("postgresql://plain@h/d", "postgresql://plain@h/d", {}),
        ("postgresql://h1,h2:5433/d?service=x", "postgresql://h1,h2:5433/d?service=x", {}),
        ("postgresql:///d@x?host=/run", "postgresql:///d@x?host=/run", {}),
    ],
)
def test_secrets_are_kept_apart(url: str, bare: str, secrets: dict[str, str]) -> None:
    assert settings.without_password(url) == bare
    assert settings.secrets_of(url) == settings.secrets_of(bare) == secrets
    address = Address.parse(url)
    assert address.location == bare and address.secrets == secrets
    assert all(secret not in repr(address) for secret in secrets.values() if secret)


def test_the_own_parameters_are_not_for_libpq() -> None:
    address = Address.parse("POSTGRESQL://u@h:1/d?sslrootcert=/a+b/c%20d&schema=S%20%2B&replica=r:2&host=x&port=3")
    assert address.url == "postgresql://u@h:1/d?sslrootcert=/a+b/c%20d&host=x&port=3"
    assert address.replica == "postgresql://u@r:2/d?sslrootcert=/a+b/c%20d"
    assert address.schema == "S +"


@pytest.mark.parametrize("schema", ["", "pg_x", "%00"])
def test_what_can_be_no_schema_is_refused(schema: str) -> None:
    with pytest.raises(UsageError, match="cannot be a schema"):
        Address.parse(f"postgresql://h/d?schema={schema}")


@pytest.mark.parametrize("schema", ["x" * 64, "ä" * 32])
def test_a_schema_with_too_long_a_name_is_refused(schema: str) -> None:
    with pytest.raises(UsageError, match="longer than PostgreSQL takes") as refused:
        Address.parse(f"postgresql://h/d?schema={schema}")
    assert refused.value.hint == "give it one of 63 bytes at most"


@pytest.mark.parametrize("options", ["schema=a&schema=b", "replica=r&schema=a&replica=s", "schema=a&%73chema=a"])
def test_a_parameter_of_ours_is_said_once(options: str) -> None:
    with pytest.raises(UsageError, match=r"has the parameter (schema|replica) twice"):
        Address.parse(f"postgresql://h/d?{options}")


@pytest.mark.parametrize("url", ["postgresql://u:pa/ss@h/d", "postgresql://u:p@h:12x/d", "postgresql://h:pa@ss:x/d"])
def test_a_password_that_libpq_would_take_for_a_port_is_not_shown(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        Address.parse(url)
    assert "port in the URL" in raised.value.message and "%2F" in raised.value.hint
    assert "pa" not in raised.value.message.replace("port", "")


def test_odd_bytes_are_refused() -> None:
    with pytest.raises(UsageError, match="no text in UTF-8"):
        Address.parse("postgresql://h/\udcff")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://h/notes", "notes"),
        ("postgresql://ada@h/notes?schema=mail", "mail"),
        ("postgresql://h/notes?schema=semsearch&sslmode=require", "notes"),
        ("postgresql://h/a%20b", "a b"),
        ("postgresql://?dbname=notes", "notes"),
        ("postgresql://ada@h", "ada"),
        ("postgresql://", "semsearch"),
    ],
)
def test_an_index_has_a_name(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PGDATABASE", "PGUSER"):
        monkeypatch.delenv(variable, raising=False)
    assert Address.parse(url).name == name


def test_a_place_is_the_same_however_it_is_spelled() -> None:
    place = Address.parse("postgresql://ada@h1,h2:5433/d").place
    for url in (
        "POSTGRES://H1:5432,h2:5433/d/",
        "postgresql://eve:secret@h1,h2:5433/d?schema=semsearch&sslmode=require",
    ):
        assert Address.parse(url).place == place
    for url in ("postgresql://h1,h2/d", "postgresql://h1,h2:5433/e", "postgresql://h1,h2:5433/d?schema=s"):
        assert Address.parse(url).place != place
