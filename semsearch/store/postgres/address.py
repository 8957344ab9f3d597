"""The URL of an index in PostgreSQL: that of libpq, with the names of its schema and of a replica for reading."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from semsearch import settings
from semsearch.errors import UsageError

DEFAULT_SCHEMA = "semsearch"
# PostgreSQL cuts longer names without a word.
_LONGEST_NAME = 63
_OWN = ("schema", "replica", "after")


@dataclass(frozen=True)
class Address:
    """Where an index is.

    `location`: the URL as it was given, without a password; `url`: what libpq connects to, `replica`: the same on the
    host for reading, None: there is none. `password`: where the URL had one. `schema`: holds the tables. `after`: the
    state of the index that a reader waits for (`Snapshot.token`), "": none.
    """

    location: str
    url: str
    password: str | None
    schema: str = DEFAULT_SCHEMA
    replica: str | None = None
    after: str = ""

    @staticmethod
    def parse(location: str) -> "Address":
        """The address at `location`. Raises `UsageError`."""
        given, password = settings.without_password(location), settings.password_of(location)
        base, _, query = given.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        own = {name: value for name, value in options if name in _OWN}
        others = [(name, value) for name, value in options if name not in _OWN]
        schema = own.get("schema", DEFAULT_SCHEMA)
        if not schema or len(schema.encode()) > _LONGEST_NAME or "\0" in schema or schema.startswith("pg_"):
            raise UsageError(
                f"{given}: {schema or 'an empty name'} cannot be a schema", "name another with ?schema=NAME"
            )
        after = own.get("after", "")
        if after:
            check_token(after)
        suffix = "?" + urlencode(others, quote_via=quote) if others else ""
        replica = own.get("replica")
        return Address(
            given, base + suffix, password, schema, None if not replica else _on_host(base, replica) + suffix, after
        )


def check_token(token: str) -> None:
    """Raises `UsageError` for what is no position in a write-ahead log (`pg_lsn`), such as 0/16B3748."""
    high, separator, low = token.partition("/")
    try:
        is_sound = bool(separator) and 0 <= int(high, 16) < 2**32 and 0 <= int(low, 16) < 2**32
    except ValueError:
        is_sound = False
    if not is_sound:
        raise UsageError(f"{token} is no state of an index", "take the token that index --json tells")


def _on_host(base: str, host: str) -> str:
    """The URL `base` with `host`, which may have a port, in the place of its own."""
    scheme, _, rest = base.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, _ = authority.rpartition("@")
    return f"{scheme}://{user}{at}{host}{slash}{path}"
