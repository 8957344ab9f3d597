"""Queries that begin with a minus: taken as queries where they can be nothing else, else the error says how."""

from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import Command, one_line_error
from tests.support.folders import write


@pytest.fixture
def index(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    write(folder, {"cellar.txt": "Emeralds lie in the cellar.\n", "web/page.txt": "Emeralds on the web page.\n"})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder


def test_an_argument_with_a_blank_is_the_query(semsearch: Command, index: Path) -> None:
    for arguments in (["-path:web emeralds", "-l"], ["-l", "-path:web emeralds"], ["-lk", "1", '-"web page" emeralds']):
        assert semsearch("search", *arguments, cwd=index).out == "cellar.txt\n", arguments
    assert semsearch("search", f"--index={index}", "--path=we b/", "emeralds", "-l").code == 1, "a value with a blank"
    assert semsearch("search", "--path", "-we b/", "emeralds", cwd=index).err.startswith("semsearch: --path -we b/")
    assert semsearch("ask", "-what lies in the cellar", cwd=index).code == 0
    assert semsearch("why", "-path:web emeralds", "cellar.txt", cwd=index).code == 0, "the file stays behind the query"


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        (["search", "-draft", "-l"], "semsearch search -l -- -draft"),
        (["search", "-kitchen soup"], "semsearch search -- '-kitchen soup'"),
        (["search", "-qualified", "--json"], "semsearch search --json -- -qualified"),
        (["why", "-draft", "x.txt"], "semsearch why -- -draft FILE"),
        (["search", "--frobnicate"], "semsearch search --help"),
        (["search", "-z"], "semsearch search --help"),
        (["search", "roses", "-n", "5"], "the number of results is -k"),
    ],
)
def test_the_error_says_how_to_write_it(semsearch: Command, arguments: list[str], way_out: str) -> None:
    done = semsearch(*arguments)
    assert done.code == 2
    assert way_out in (one_line_error(done.err) if "--json" not in arguments else done.err)
