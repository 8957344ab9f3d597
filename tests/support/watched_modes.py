"""A `semsearch` that notes what others could read of an index at any moment.

    python -m tests.support.watched_modes INDEX ARGUMENT...

Before each file that Python opens, makes, renames or removes, all of INDEX is looked at. The last line that is printed
lists what others could read.
"""

import os
import sys

_WATCHED = ("open", "os.mkdir", "os.rename", "os.remove", "os.chmod", "sqlite3.connect")
_list_folder = os.listdir
_busy = False
_found: set[str] = set()


def main(index: str, arguments: list[str]) -> None:
    def look(event: str, given: tuple[object, ...]) -> None:
        global _busy
        if not _busy and event in _WATCHED:
            _busy = True
            _look_at(index)
            _busy = False

    os.umask(0)
    from semsearch.cli.app import run

    sys.addaudithook(look)
    code = run(arguments)
    print(sorted(_found))
    sys.stdout.flush()
    os._exit(code)


def _look_at(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
        if mode & 0o077:
            _found.add(path)
        names = _list_folder(path) if os.path.isdir(path) else []
    except FileNotFoundError:
        return
    for name in names:
        _look_at(os.path.join(path, name))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
