"""Puts odd values into cells and settings of a catalog, and runs every command on it.

    python -m tests.support.odd_cells --commands 1500

A cell of a table gets a value of another type, size or meaning, a setting a value with such a one somewhere inside. A
command may answer, or say in one line that the index is damaged; it may not fail in another way, take more than 5
seconds of CPU or 1 GB of memory, or write outside the index.
"""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from semsearch.settings import CATALOG_FILE
from tests.support import forked
from tests.support.folders import NOTES, write
from tests.support.mail import mailbox, message

_SECONDS, _MEMORY = 5.0, 1 << 30
_LETTERS = mailbox(message("Bread", "Does sourdough need a rest?"), message("Rest", "Twelve hours of rest."))
ODD: tuple[Any, ...] = (
    None, 0, -1, 1, 7, 2**31, 2**48, 2**48 + 1, 2**63 - 1, -(2**63), 0.5, -1e308, 1e308, float("inf"), "", "x", "0",
    "\x1b[31m", "\u202e", "a\nb", "a\0b", "/etc/passwd", "../..", "~", "x" * 100_000, b"", b"\xff\xfe", b"/etc/passwd",
    b"../../..", b"\0" * 1000, "null", "NaN", "[]", "{}", "[[", "[" * 5000, '{"a": [1, "x", null]}', '"\\ud800"',
    "9" * 5000, '{"size": 1e999}',
)  # fmt: skip
_JSON_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 7, 2**31, 2**48 + 1, 2**63, 10**40, 0.5, -1e308, "", "x", "/etc/passwd", "\ud800", "a\0b",
    "**/" * 500, "[z-a]", "\\", [], {}, [1, "x"], {"a": None}, [[[[]]]],
)  # fmt: skip


def _commands(folder: str, index: str) -> tuple[list[str], ...]:
    return (
        ["search", "sourdough rest", "-i", index],
        ["search", '"rest" -bread type:txt', "--mode", "lexical", "--format", "csv", "-i", index],
        ["search", "rest", "--json", "-C", "2", "--where", "title=*", "--since", "1d", "-i", index],
        ["search", "rest", "--group", "file", "-l", "--absolute", "-i", index],
        ["search", "--like", "kitchen/bread.txt", "-i", index],
        ["ask", "How long does the dough rest?", "-i", index],
        ["status", "-i", index],
        ["status", "--json", "-i", index],
        ["status", "--files", "--json", "-i", index],
        ["why", "sourdough", "kitchen/bread.txt", "-i", index],
        ["index", folder, "--dry-run", "-i", index],
        ["index", folder, "-i", index],
        ["index", "-i", index, "--json"],
        ["index", folder, "--rebuild", "-q", "-i", index],
        ["quantize", "int8", "-i", index],
        ["tune", "--drop", "-i", index],
        ["bench", "vectors", "-i", index],
        ["verify", "-i", index],
        ["verify", "--repair", "-i", index],
    )


def change(catalog: Path, chance: random.Random) -> str:
    """Changes one to three cells or settings; returns which."""
    changes = []
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            table = chance.choice(
                [*(name for name in tables if not name.startswith("sqlite_")), "settings", "settings"]
            )
            if table == "settings" and chance.random() < 0.9:
                changes.append(_change_setting(connection, chance))
                continue
            column = chance.choice([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
            value = chance.choice(ODD)
            where = chance.choice(("", " WHERE rowid = (SELECT MIN(rowid) FROM t)", " WHERE rowid % 2"))
            statement = f"UPDATE OR IGNORE {table} SET {column} = ?" + ("" if table == "settings" else where)
            try:
                connection.execute(statement.replace("FROM t", f"FROM {table}"), (value,))
            except sqlite3.IntegrityError:
                continue  # a column that is NOT NULL, or a number of a row
            changes.append(f"{table}.{column} = {value!r:.40}{where}")
    (catalog.parent / "catalog.crc").unlink(missing_ok=True)
    return "; ".join(changes)


def _change_setting(connection: sqlite3.Connection, chance: random.Random) -> str:
    key, value = chance.choice(connection.execute("SELECT key, value FROM settings").fetchall())
    odd = chance.choice(_JSON_ODD)
    if chance.random() < 0.2:
        text = str(chance.choice(ODD))
    else:
        try:
            text = json.dumps(_inside(json.loads(value), odd, chance))
        except (ValueError, TypeError, RecursionError):  # it was changed before
            text = json.dumps(odd)
    connection.execute("UPDATE settings SET value = ? WHERE key = ?", (text, key))
    return f"{key} = {text:.60}"


def _inside(value: Any, odd: Any, chance: random.Random) -> Any:
    """`value` with `odd` somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value))
        return {**value, key: _inside(value[key], odd, chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], _inside(value[at], odd, chance), *value[at + 1 :]]
    return odd


class _Trial:
    def __init__(self, base: Path, seed: int) -> None:
        self._base, self._seed = base, seed
        folder = base / "notes"
        write(folder, {**NOTES, "letters.mbox": _LETTERS})
        made = forked.in_child(lambda: forked.command("index", str(folder), "--model", "static", "-q"), seconds=120)
        assert made.code == 0, made.err

    def judge(self, process: int, number: int) -> str:
        """What is wrong with how one command ended; "" when nothing is."""
        chance = random.Random(f"{self._seed} {number}")
        place = self._base / f"process-{process}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self._base / "notes", place / "notes")
        index = place / "notes" / ".semsearch"
        what = change(index / CATALOG_FILE, chance)
        arguments = chance.choice(_commands(str(place / "notes"), str(index)))
        ended = forked.in_child(_prepared(arguments), seconds=60)
        defect = ended.defect(_SECONDS, _MEMORY)
        if not defect and ended.code not in (0, 1, 2):
            defect = f"exit status {ended.code}: {ended.err.strip()[-200:]}"
        if not defect and ended.code == 2 and not ended.err.strip():
            defect = "exit status 2 and nothing said"
        return f"#{number} {' '.join(arguments[:3])}: {what}: {defect}" if defect else ""


def _prepared(arguments: list[str]) -> Callable[[], int]:
    def work() -> int:
        forked.prepare_reader()
        return forked.command(*arguments)

    return work


def main() -> None:
    forked.run_trial(__doc__, _Trial, "commands", 1500, "commands on odd catalogs")


if __name__ == "__main__":
    main()
