"""What people see: paths that open from where they stand, each place once, and the one command to run next."""

import os
import re
from pathlib import Path

import pytest

from semsearch.answering.answer import Answer, Citation
from semsearch.cli.answers import AnswerPrinter
from semsearch.cli.formats import openable
from semsearch.indexing import IndexOptions, index_folders
from tests.support.answer_hits import hit
from tests.support.commands import Command, one_line_error
from tests.support.folders import write

STORM = "The storm came at dawn and took the old pier. "


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    middle = "\n".join(
        f"## Part {number}\n\nNumber {number} is about bread and {'flour ' * 80}.\n" for number in range(4)
    )
    texts = {"a.md": f"# Storms\n\n{STORM}\n\n{middle}\n## After the storm\n\nThe storm left sand in the pier house.\n"}
    write(
        folder, {**texts, "sub/a.md": f"# Below\n\n{STORM}\n", "sub/-b \udce4.md": f"# Odd\n\nAnother storm. {STORM}\n"}
    )
    index_folders([str(folder)], str(tmp_path / "all.index"), IndexOptions(model="static"))
    return folder


@pytest.mark.slow
def test_paths_open_from_wherever_one_stands(semsearch: Command, docs: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep" / "down").mkdir(parents=True)
    os.symlink(docs / "sub", tmp_path / "elsewhere" / "link")
    for here in ("docs", "docs/sub", ".", "elsewhere", "elsewhere/deep/down", "elsewhere/link", "/"):
        folder = tmp_path / here
        asked = ("search", "storm", "-i", tmp_path / "all.index", "--mode", "lexical")
        listed = semsearch(*asked, "-l", "-0", cwd=folder).out.split("\0")[:-1]
        paths = sorted(path.replace("\ufffd", "\udce4") for path in listed)
        real = [os.path.realpath(os.path.join(folder, path)) for path in paths]
        assert sorted(real) == sorted(str(docs / name) for name in ("a.md", "sub/a.md", "sub/-b \udce4.md")), here
        lines = [line for line in semsearch(*asked, cwd=folder).out.splitlines() if not line.startswith(" ")]
        shown = [line.split("  ")[2].rpartition(":")[0] for line in lines]
        opened = {os.path.realpath(os.path.join(folder, path.replace("\\xe4", "\udce4"))) for path in shown}
        assert opened == set(real), here
        vim = semsearch(*asked, "--format", "vimgrep", cwd=folder).out.splitlines()
        assert {
            os.path.realpath(os.path.join(folder, line.split(":")[0].replace("\ufffd", "\udce4"))) for line in vim
        } == (set(real))
        # JSON says it relative to the indexed folder, and whole.
        found = semsearch(*asked, "--json", cwd=folder).json["results"]
        assert {one["path"] for one in found} == {"a.md", "sub/a.md", "sub/-b \\xe4.md"}
        # What is shown is taken back, and means the file that it opens.
        for path, file in zip(paths, real, strict=True):
            text = semsearch("show", "-i", tmp_path / "all.index", "--json", "--", path, cwd=folder).json
            assert text["file"] == file, (here, path)
        (below,) = [path for path in paths if os.path.realpath(os.path.join(folder, path)) == str(docs / "sub/a.md")]
        why = semsearch("why", "storm", below, "-i", tmp_path / "all.index", "--json", cwd=folder).json
        assert why["path"] == "sub/a.md" and why["status"] == "found", here
        if "/" in below:  # a name alone is that of any file
            assert semsearch(*asked, "--path", below, "-l", cwd=folder).out == f"{below}\n", here


def test_the_shorter_path_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "docs" / "sub")
    assert openable(f"{tmp_path}/docs/sub/a.md") == "a.md"
    assert openable(f"{tmp_path}/docs/a.md") == "../a.md"
    assert openable("/a.md") == "/a.md"
    assert openable("//other/docs/a.md") == "//other/docs/a.md"
    (tmp_path / "docs" / "sub").rmdir()
    assert openable("/docs/a.md") == "/docs/a.md", "the working folder is gone"


def cited(number: int, line: int, quote: str, status: str = "supported") -> Citation:
    return Citation(number, "notes.md", None, line, line, quote, status=status)


@pytest.mark.parametrize(
    ("llm", "lines"),
    [
        (None, ["[1] /d/notes.md:22", "[1] /d/notes.md:23", "[2] /d/more.md:23"]),
        ("tiny", ["[1] /d/notes.md:22", "    One.", "[1] /d/notes.md:23", "    Two.", "    Three.",
                  "[2] /d/more.md:23", "    Two."]),
    ],
)  # fmt: skip
def test_an_answer_names_each_place_once(capsys: pytest.CaptureFixture[str], llm: str | None, lines: list[str]) -> None:
    citations = (
        cited(1, 22, "One."),
        cited(1, 23, "Two."),
        cited(2, 23, "Two."),
        cited(1, 23, "Three."),
        cited(1, 23, "Two."),
    )
    answer = Answer("what?", "One. Two. Three.", True, llm, citations, (hit("x"), hit("y", "more.md")))
    AnswerPrinter("text", show_context=False, batch=False, quiet=False).print(answer, None)
    assert capsys.readouterr().out.splitlines()[2:] == lines


def test_without_an_index_one_command_is_told(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path, {"config/semsearch/config.toml": '[indexes]\nnotes = "~/x"\nmail = "~/y"\n', "work/b/x.txt": "x\n"})
    named = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    plain = {"XDG_CONFIG_HOME": str(tmp_path / "none"), "HOME": str(tmp_path)}

    def hint(environment: dict[str, str], cwd: Path) -> str:
        done = semsearch("search", "storm", env=environment, cwd=cwd)
        assert done.code == 2
        line = one_line_error(done.err)
        assert line.startswith(f"semsearch: no .semsearch in {cwd} or any folder above it (")
        return line.rpartition(" (")[2].removesuffix(")")

    assert hint(plain, tmp_path / "work") == "make one with: semsearch index ."
    assert hint(plain, tmp_path) == "make one with: semsearch index FOLDER", "not of all that one has"
    assert hint(named, tmp_path / "work") == "say which: add -i NAME, one of: mail, notes"
    write(tmp_path, {"work/b/.semsearch/catalog.db": ""})
    assert hint(named, tmp_path / "work") == "there is one in b: add -i b"


@pytest.mark.parametrize("group", [[], ["bench"], ["models"]])
def test_the_list_of_commands_says_whole_sentences(semsearch: Command, group: list[str]) -> None:
    listed = semsearch(*group, "--help").out.split("Commands:\n")[1]
    entries = [" ".join(entry.split()) for entry in re.split(r"\n(?=  \S)", listed.rstrip())]
    assert len(entries) > 2
    for entry in entries:
        assert entry.endswith(".") and not entry.endswith("..") and ". " not in entry, entry
