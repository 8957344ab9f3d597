"""The URL of a collection in a vector database, taken apart."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from semsearch.errors import UsageError
from semsearch.settings import url_scheme

# Options with one of these in their names are never shown.
_SECRET = ("key", "token", "password", "secret")


@dataclass(frozen=True)
class Address:
    """`scheme://[user[:password]@][host[:port]]/name[?option=value&...]`, decoded; "", None for what is not there."""

    scheme: str
    user: str
    password: str
    host: str
    port: int | None
    name: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Raises `UsageError` for what is no URL; as a password may be anywhere in it, it does not tell the URL."""
        scheme = url_scheme(url)
        hint = f"write it as {scheme}://[USER[:PASSWORD]@]HOST[:PORT]/NAME, the characters / : @ ? # % in it as %XX"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UsageError(f"the {scheme}:// URL has a host or a port that is none", hint) from None
        if parts.fragment:
            raise UsageError(f"the {scheme}:// URL has a # in it", hint)
        options = parse_qsl(parts.query, keep_blank_values=True)
        names = [name for name, _ in options]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"the {scheme}:// URL has the option {name} twice", "leave one of them out")
        return cls(
            scheme=scheme,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            host=unquote(parts.hostname or ""),
            port=port,
            name=unquote(parts.path.strip("/")),
            options=dict(options),
        )

    @property
    def shown(self) -> str:
        """The URL without the password, and without options that are keys."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        port = f":{self.port}" if self.port is not None else ""
        shown = {name: value for name, value in self.options.items() if not _is_secret(name)}
        query = f"?{urlencode(shown, safe=':/')}" if shown else ""
        return f"{self.scheme}://{user}{host}{port}/{quote(self.name, safe='')}{query}"

    @property
    def secrets(self) -> list[str]:
        """What no message may tell."""
        return [self.password, *(value for name, value in self.options.items() if _is_secret(name))]

    def check(self, options: Collection[str], needs_name: bool = True, known: str = "") -> None:
        """Raises `UsageError` for options other than `options`, and for a URL without the name of a collection.

        `known`: how the options are told, where they are many.
        """
        for option in self.options:
            if option not in options:
                hint = f"it has: {known or ', '.join(sorted(options)) or 'none'}"
                raise UsageError(f"a {self.scheme}:// URL has no option {option}", hint)
        if needs_name and not self.name:
            hint = f"write it as {self.scheme}://HOST[:PORT]/NAME"
            raise UsageError(f"the {self.scheme}:// URL names no collection", hint)

    def switch(self, option: str) -> bool | None:
        """Whether `option` is 1 or 0; None where it is not there. Raises `UsageError` for any other value."""
        value = self.options.get(option)
        if value not in (None, "0", "1"):
            hint = f"write ?{option}=0 or ?{option}=1"
            raise UsageError(f"{option} in the {self.scheme}:// URL is neither 0 nor 1", hint)
        return None if value is None else value == "1"


def _is_secret(option: str) -> bool:
    # Of PostgreSQL, `sslkey` and `passfile` name files; what is in them is secret.
    return option not in ("sslkey", "passfile") and any(word in option.lower() for word in _SECRET)
