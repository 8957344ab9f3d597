"""Lists that are kept in the user's state folder: what was named on this machine, and is trusted since."""

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence

from semsearch import settings
from semsearch.errors import SemsearchError
from semsearch.private_files import create, make_folders


class StateLists:
    """Lists of texts by key, in the file `name` of the state folder; `what` they note, for an error."""

    def __init__(self, name: str, what: str) -> None:
        self._name = name
        self._what = what

    def of(self, key: str) -> list[str]:
        """The list of `key`, empty where there is none."""
        return self._all().get(key, [])

    def add(self, key: str, values: Sequence[str]) -> None:
        """Adds those of `values` that the list of `key` does not hold. Raises `SemsearchError` where it cannot be
        written."""
        path = self._path()
        try:
            if not set(values) <= set(self.of(key)):
                self._write(path, key, values)
        except OSError as error:
            raise SemsearchError(
                f"cannot note in {os.path.dirname(path)} {self._what}: {error.strerror}",
                "let XDG_STATE_HOME name a folder that you can write to",
                code="not_writable",
            ) from None

    def _write(self, path: str, key: str, values: Sequence[str]) -> None:
        make_folders(os.path.dirname(path))
        if not os.path.lexists(path + ".lock"):
            with contextlib.suppress(FileExistsError):
                os.close(create(path + ".lock"))
        with open(path + ".lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may note something at once
            known = self._all()
            known[key] = list(dict.fromkeys([*known.get(key, []), *values]))
            working = f"{path}.new"
            if os.path.lexists(working):
                os.unlink(working)
            with os.fdopen(create(working), "w", encoding="utf-8") as file:
                json.dump(known, file)
            os.replace(working, path)

    def _all(self) -> dict[str, list[str]]:
        try:
            with open(self._path(), encoding="utf-8") as file:
                known = json.load(file)
        except FileNotFoundError:
            return {}
        except ValueError:
            return {}  # cut off by a full disk: things are named again
        items = known.items() if isinstance(known, dict) else ()
        return {key: list(map(str, value)) for key, value in items if isinstance(value, list)}

    def _path(self) -> str:
        return os.path.join(settings.state_folder(), self._name)
