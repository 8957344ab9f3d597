"""An index of code, with the grammars and without them; the real command, whose processes find them or do not."""

from pathlib import Path
from typing import Any

import pytest

from semsearch.settings import READERS_VERSION
from semsearch.store.opening import open_store
from tests.support.commands import Command
from tests.support.folders import write
from tests.support.without_grammars import python_path

_PYTHON = 'class Sea:\n    def rise(self, metres: int) -> int:\n        """Rises."""\n        return metres\n'
_GO = "func Fall(metres int) int { return metres }\n"


def headings(index: Path) -> set[str]:
    def of(snapshot: Any) -> set[str]:
        return {" > ".join(one.heading) for file in snapshot.files(1) for one in snapshot.passages_of(file.id)}

    store = open_store(str(index))
    try:
        return store.read(of)
    finally:
        store.close()


def readers(index: Path) -> int:
    store = open_store(str(index))
    try:
        return store.read(lambda snapshot: snapshot.info().readers)
    finally:
        store.close()


@pytest.mark.slow
def test_code_is_read_again_once_and_two_machines_do_not_take_turns(semsearch: Command, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    index = folder / ".semsearch"
    write(folder, {"sea.py": _PYTHON, "sea.go": _GO, "notes.txt": "The tide.\n"})
    without = {"PYTHONPATH": python_path(tmp_path / "without")}

    def files(env: dict[str, str], *flags: str) -> dict[str, int]:
        done = semsearch("index", folder, "--json", *flags, env=env)
        assert done.code == 0 and not done.err
        return {name: count for name, count in done.json["files"].items() if count}

    assert files(without, "--model", "static") == {"added": 3}
    assert headings(index) == {"", "Sea", "Fall"} and readers(index) == READERS_VERSION * 10
    assert files(without) == {"unchanged": 3}
    assert files({}, "--dry-run") == {"changed": 2, "unchanged": 1}
    assert files({}) == {"changed": 2, "unchanged": 1}
    signatures = {"", "class Sea", "func Fall(metres int) int"}
    assert headings(index) == signatures and readers(index) == READERS_VERSION * 10 + 1
    assert files({}) == {"unchanged": 3}
    assert files(without) == {"unchanged": 3} and readers(index) == READERS_VERSION * 10 + 1
    write(folder, {"sea.go": _GO + "\nfunc Ebb() {}\n"})
    assert files(without) == {"changed": 1, "unchanged": 2}
    assert files({}) == {"unchanged": 3} and files(without) == {"unchanged": 3}
