"""Names of files that are not UTF-8: byte for byte where another command reads them, readable elsewhere."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import COMMAND, Command
from tests.support.folders import PROJECT, write

NAME = os.fsdecode(b"sub/caf\xe4.txt")
SHOWN = "sub/caf\\xe4.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    write(folder, {"sub/caf\\xe4.txt": "an otter, under a name with a backslash\n", "sub/b.txt": "a badger\n"})
    try:
        (folder / NAME).write_text("An ocelot sleeps.\n")
    except OSError:
        pytest.skip("the file system refuses such names")
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


def shell(line: str, cwd: Path) -> bytes:
    done = subprocess.run(
        ["bash", "-c", f'search() {{ {COMMAND} search --mode lexical "$@"; }}; {line}'],
        capture_output=True, cwd=cwd, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_other_commands_get_the_bytes_of_the_name(folder: Path) -> None:
    assert shell("search ocelot -l -0 | xargs -0 cat", folder) == b"An ocelot sleeps.\n"
    assert shell("search ocelot -l -0 --absolute -i docs | xargs -0 cat", folder.parent) == b"An ocelot sleeps.\n"
    assert shell("search ocelot -l", folder) == os.fsencode(NAME) + b"\n"
    assert shell("search ocelot --format vimgrep", folder) == os.fsencode(NAME) + b":1:4:An ocelot sleeps.\n"
    assert shell("search otter -l -0 | xargs -0 cat", folder).startswith(b"an otter"), "a name that only looks so"


@pytest.mark.slow
def test_several_indexes_have_their_labels_before_the_bytes(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "more" / "docs", {NAME: "Another ocelot.\n"})
    index_folders([str(tmp_path / "more" / "docs")], None, IndexOptions(model="static"))
    out = shell("search ocelot -l -i docs -i more/docs", tmp_path)
    assert set(out.splitlines()) == {b"docs/" + os.fsencode(NAME), b"docs-2/" + os.fsencode(NAME)}


def test_what_people_and_programs_read_is_utf8(semsearch: Command, folder: Path) -> None:
    hit = semsearch("search", "ocelot", "-i", folder, "--json", "--mode", "lexical").json["results"][0]
    assert hit["path"] == SHOWN
    assert os.fsencode(hit["file"]) == os.fsencode(folder / NAME)
    row = next(csv.DictReader(io.StringIO(shell("search ocelot --format csv", folder).decode())))
    assert (row["path"], row["file"]) == (SHOWN, f"{folder}/{SHOWN}")
    assert f"indexed  {SHOWN}" in semsearch("status", "--files", "-i", folder).out


@pytest.mark.parametrize("name", [NAME, f"./{NAME}"])
def test_such_a_name_is_understood_as_it_is(semsearch: Command, folder: Path, name: str) -> None:
    why = semsearch("why", "ocelot", name, "--json", cwd=folder)
    assert (json.loads(why.out)["path"], json.loads(why.out)["status"]) == (SHOWN, "found")
    assert shell(f"search ocelot -l --path $'{name}'".replace("\udce4", "\\xe4"), folder) == os.fsencode(NAME) + b"\n"
    assert semsearch("search", "--like", name, "-l", cwd=folder).code == 0


def test_such_a_name_is_understood_as_results_show_it(semsearch: Command, folder: Path) -> None:
    assert semsearch("search", "ocelot", "--path", SHOWN, "--mode", "lexical", "-q", cwd=folder).code == 0
    assert semsearch("search", "--like", SHOWN, "-l", cwd=folder).code == 0
