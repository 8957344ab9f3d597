"""The URL of an index in PostgreSQL: that of libpq, with the names of its schema and of a replica for reading."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from semsearch import settings
from semsearch.errors import ParameterError, UsageError

DEFAULT_SCHEMA = "semsearch"
# PostgreSQL cuts longer names without a word.
_LONGEST_NAME = 63
_OWN = ("schema", "replica")
# Parameters that say which server is meant.
_OF_SERVER = ("host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts")
# Those that say which database is meant, and what is meant where a URL names no port.
_OF_PLACE = ("host", "hostaddr", "port", "dbname", "service")
_DEFAULT_PORT = ":5432"


@dataclass(frozen=True)
class Address:
    """Where an index is.

    `location`: the URL as it was given, without secrets; `url`: what libpq connects to, `replica`: the same on the
    host for reading, None: there is none. `secrets`: those that the URL had, by their names in libpq. `schema`: holds
    the tables.
    """

    location: str
    url: str
    secrets: dict[str, str] = field(repr=False)
    schema: str = DEFAULT_SCHEMA
    replica: str | None = None

    @property
    def name(self) -> str:
        """What people call the index: its schema, where that is not the one of all, else its database."""
        if self.schema != DEFAULT_SCHEMA:
            return self.schema
        base, _, query = self.url.partition("?")
        options = dict(one.partition("=")[::2] for one in query.split("&"))
        # As libpq chooses: what the URL says, the environment, the name of the user.
        database = options.get("dbname") or base.partition("://")[2].partition("/")[2]
        user = base.partition("://")[2].rpartition("@")[0]
        found = unquote(database) or os.environ.get("PGDATABASE") or unquote(user) or os.environ.get("PGUSER")
        return found or DEFAULT_SCHEMA

    @property
    def place(self) -> str:
        """What tells the index from all others, however its URL is spelled: servers, database, schema."""
        base, _, query = self.url.partition("?")
        authority, _, database = base.partition("://")[2].partition("/")
        hosts = [host.lower().removesuffix(_DEFAULT_PORT) for host in authority.rpartition("@")[2].split(",")]
        options = sorted(one for one in query.split("&") if one.partition("=")[0] in _OF_PLACE)
        return "&".join((",".join(hosts) + "/" + unquote(database.rstrip("/")), f"schema={self.schema}", *options))

    @staticmethod
    def parse(location: str) -> "Address":
        """The address at `location`. Raises `UsageError`."""
        given, secrets = settings.without_password(location), settings.secrets_of(location)
        _check_text(given)
        scheme, _, rest = given.partition("://")
        base, _, query = f"{scheme.lower()}://{rest}".partition("?")
        _check_base(base)
        options = [one.partition("=") for one in query.split("&") if one]
        names = [unquote(name) for name, _, _ in options]
        if twice := next((name for name in _OWN if names.count(name) > 1), ""):
            raise UsageError(f"{given}: the URL has the parameter {twice} twice", "leave one of them out")
        own = {unquote(name): unquote(value, errors="replace") for name, _, value in options if unquote(name) in _OWN}
        others = [(name, value) for name, _, value in options if unquote(name) not in _OWN]
        schema, replica = own.get("schema", DEFAULT_SCHEMA), own.get("replica")
        if len(schema.encode()) > _LONGEST_NAME:
            raise UsageError(
                f"{given}: the name of the schema is longer than PostgreSQL takes",
                f"give it one of {_LONGEST_NAME} bytes at most",
            )
        if not schema or "\0" in schema or schema.startswith("pg_"):
            raise UsageError(
                f"{given}: {schema or 'an empty name'} cannot be a schema", "name another with ?schema=NAME"
            )
        if replica and "@" in replica:
            raise UsageError("the URL names a user for its replica", "write ?replica=HOST[:PORT]: the user is the same")
        elsewhere = [one for one in others if unquote(one[0]) not in _OF_SERVER]
        return Address(
            given,
            base + _suffix(others),
            secrets,
            schema,
            None if not replica else _on_host(base, replica) + _suffix(elsewhere),
        )


def check_token(token: str) -> None:
    """Raises `ParameterError` for what is no position in a write-ahead log (`pg_lsn`), such as 0/16B3748."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}", token):
        raise ParameterError("after", f"{token} is no state of an index", "take the token that index --json tells")


def _check_base(base: str) -> None:
    """Refuses what libpq would complain about, showing a password: one with / that is not written as %2F."""
    authority = base.partition("://")[2].partition("/")[0]
    for host in authority.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2] if host.startswith("[") else host
        _, colon, number = port.rpartition(":")
        if colon and not re.fullmatch("[0-9]*", number):
            raise UsageError(
                "the port in the URL of the index is not a number",
                "write / and @ in a password as %2F and %40, or put it in a file that PGPASSFILE names",
            )


def _check_text(url: str) -> None:
    try:
        url.encode()
    except UnicodeEncodeError:
        raise UsageError("the URL of the index is no text in UTF-8", "write odd bytes as %XX") from None


def _suffix(options: Sequence[tuple[str, str]]) -> str:
    return "?" + "&".join(f"{name}={value}" for name, value in options) if options else ""


def _on_host(base: str, host: str) -> str:
    """The URL `base` with `host`, which may have a port, in the place of its own."""
    scheme, _, rest = base.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, _ = authority.rpartition("@")
    return f"{scheme}://{user}{at}{host}{slash}{path}"
