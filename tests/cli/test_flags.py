"""Flags that several commands share."""

from pathlib import Path
from typing import Any

import pytest
import typer

from semsearch.cli.app import app
from semsearch.cli.manual import commands_of
from tests.support.commands import Command, one_line_error
from tests.support.folders import write

# What takes several indexes, and what takes one with what it needs beside.
SEVERAL = {"search", "ask", "browse", "status", "serve", "mcp"}
ONE: dict[str, tuple[str, ...]] = {
    "bench quality": (),
    "bench speed": (),
    "bench vectors": (),
    "copy": ("--to", "elsewhere"),
    "index": (),
    "quantize": ("int8",),
    "show": ("file.md",),
    "tune": ("--drop",),
    "verify": (),
    "why": ("query", "file.md"),
}


def test_every_command_about_an_index_is_in_the_lists_above() -> None:
    group: Any = typer.main.get_command(app)
    found = {
        name
        for name, command in commands_of(group).items()
        if any("--index" in option.opts for option in command.params)
    }
    assert found == SEVERAL | ONE.keys()


@pytest.mark.parametrize("command", [*ONE, "index -q", "index --watch", "status --files", "tune --dry-run"])
def test_a_command_about_one_index_refuses_several(semsearch: Command, tmp_path: Path, command: str) -> None:
    write(tmp_path / "docs", {"a.md": "# One\n\nA text.\n"})
    words = [*command.split(), *ONE.get(command, ())]
    for indexes in (("-i", "one", "--index", "two"), ("--index=docs", "-i", "docs")):
        refused = semsearch(*words, *indexes)
        assert refused.code == 2 and "--index is given more than once" in one_line_error(refused.err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs"]


def test_status_tells_of_several(semsearch: Command, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, {f"{name}.md": "# One\n\nA text.\n"})
        assert semsearch("index", tmp_path / name, "--model", "static", "-q").code == 0
    both = ("-i", tmp_path / "one", "-i", tmp_path / "two")
    text = semsearch("status", *both).out
    assert [block.split()[1] for block in text.split("\n\n")] == [
        f"{tmp_path}/one/.semsearch", f"{tmp_path}/two/.semsearch",
    ]  # fmt: skip
    single = semsearch("status", "-i", tmp_path / "two").out
    assert text.endswith("\n\n" + single)
    assert len(semsearch("status", "--json", *both).out.splitlines()) == 2
    assert semsearch("status", *both, "-i", tmp_path / "three").code == 2
