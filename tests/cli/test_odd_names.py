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
    assert set(out.splitlines()) == {b"docs/" + os.fsencode(NAME), b"more/docs/" + os.fsencode(NAME)}


def test_what_people_and_programs_read_is_utf8(semsearch: Command, folder: Path) -> None:
    hit = semsearch("search", "ocelot", "-i", folder, "--json", "--mode", "lexical").json["results"][0]
    assert hit["path"] == SHOWN
    assert os.fsencode(hit["file"]) == os.fsencode(folder / NAME)
    row = next(csv.DictReader(io.StringIO(shell("search ocelot --format csv", folder).decode())))
    assert (row["path"], row["file"]) == (SHOWN, f"{folder}/{SHOWN}")
    assert f"indexed  {SHOWN}" in semsearch("status", "--files", cwd=folder).out


@pytest.mark.parametrize("name", [NAME, f"./{NAME}"])
def test_such_a_name_is_understood_as_it_is(semsearch: Command, folder: Path, name: str) -> None:
    why = semsearch("why", "ocelot", name, "--json", cwd=folder)
    assert (json.loads(why.out)["path"], json.loads(why.out)["status"]) == (SHOWN, "found")
    assert shell(f"search ocelot -l --path $'{name}'".replace("\udce4", "\\xe4"), folder) == os.fsencode(NAME) + b"\n"
    assert semsearch("search", "--like", name, "-l", cwd=folder).code == 0


def test_such_a_name_is_understood_as_results_show_it(semsearch: Command, folder: Path) -> None:
    assert semsearch("search", "ocelot", "--path", SHOWN, "--mode", "lexical", "-q", cwd=folder).code == 0
    assert semsearch("search", "--like", SHOWN, "-l", cwd=folder).code == 0


LOCALES = [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]


@pytest.mark.parametrize("locale", LOCALES, ids=["C", "C.UTF-8", "ASCII"])
def test_what_search_prints_is_taken_by_other_runs_in_any_locale_and_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, locale: dict[str, str]
) -> None:
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    for number, (line, cwd) in enumerate(
        (
            (f"search ocelot -l | {COMMAND} index --files-from - --json", folder),
            (f"search ocelot -l -0 | {COMMAND} index --files-from - -0 --json", folder),
            (f"search ocelot -l -0 -i docs | {COMMAND} index -i docs --files-from - -0 --json", folder.parent),
            (f"search ocelot -l -i docs > names; {COMMAND} index docs --files-from names --json", folder.parent),
            (f"search ocelot -l -i docs --absolute | {COMMAND} index docs --files-from - --json", folder.parent),
            (f"search ocelot -l -i .. | {COMMAND} index -i .. --files-from - --json", folder / "sub"),
        )
    ):
        (folder / NAME).write_text(f"An ocelot sleeps. {number}\n")
        report = json.loads(shell(line, cwd))
        assert (report["files"]["changed"], report["failed"]) == (1, []), line
    for why, cwd in (
        (f"search ocelot -l -0 | xargs -0 {COMMAND} why ocelot --json", folder),
        (f"search ocelot -l -0 -i docs | xargs -0 {COMMAND} why -i docs ocelot --json", folder.parent),
        (f"search ocelot -l -0 -i docs --absolute | xargs -0 {COMMAND} why -i docs ocelot --json", folder.parent),
    ):
        answer = json.loads(shell(why, cwd))
        assert (answer["path"], answer["status"]) == (SHOWN, "found"), why
    line = f"search ocelot -l -0 -i docs | xargs -0 {COMMAND} search -l -i docs --like"
    assert shell(line, folder.parent)


def test_a_name_that_results_show_is_taken_after_its_file_is_gone(semsearch: Command, folder: Path) -> None:
    (folder / NAME).unlink()
    (folder.parent / "names").write_bytes(os.fsencode(NAME) + b"\nsub/never.txt\n")
    run = semsearch("index", "docs", "--files-from", "names", "--json", cwd=folder.parent)
    assert run.json["files"]["removed"] == 1
    outside = {"path": f"{folder.parent}/sub/never.txt", "reason": "outside of the indexed folders"}
    assert run.json["failed"] == [outside], "results never showed it"


def test_several_folders_have_their_labels_before_names_that_results_show(semsearch: Command, tmp_path: Path) -> None:
    for label in ("one", "two"):
        write(tmp_path, {f"{label}/{NAME}": f"An ocelot of {label}.\n"})
    semsearch("index", "one", "two", "-i", "index", "--model", "static", cwd=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "two" / NAME).write_text("An ocelot of the second.\n")
    (tmp_path / "one" / NAME).write_text("An ocelot of the first.\n")
    line = f"printf 'two/sub/caf\\xe4.txt\\n' | {COMMAND} index -i ../index --files-from - --json"
    report = json.loads(shell(line, tmp_path / "elsewhere"))
    assert (report["files"]["changed"], report["failed"]) == (1, [])
    assert shell("search second -l -i ../index", tmp_path / "elsewhere") == b"../two/" + os.fsencode(NAME) + b"\n"


def test_names_outside_and_skipped_are_told_readably_and_as_json(semsearch: Command, folder: Path) -> None:
    other = os.fsencode(folder.parent) + b"/caf\xe4.txt"
    (folder / os.fsdecode(b"link\xe4")).symlink_to("sub")
    (folder.parent / "names").write_bytes(other + b"\n" + os.fsencode(folder) + b"/link\xe4\n")
    for dry in (["--dry-run"], []):
        run = semsearch("index", folder, "--files-from", folder.parent / "names", "--json", *dry)
        run.out.encode()  # raises for what is no UTF-8
        assert run.json["failed"] == [
            {"path": f"{folder.parent}/caf\\xe4.txt", "reason": "outside of the indexed folders"}
        ]
        assert [one["path"] for one in run.json["skipped"]] == ["link\\xe4"]


def test_a_name_with_a_newline_is_exact_where_names_end_with_nul(semsearch: Command, folder: Path) -> None:
    name = "two\nlines.txt"
    write(folder, {name: "A quokka smiles.\n", "two": "A decoy.\n"})
    semsearch("index", folder)
    assert shell("search quokka -l -0", folder) == name.encode() + b"\0"
    assert shell("search quokka -l -0 | xargs -0 cat", folder) == b"A quokka smiles.\n"
    assert shell("search quokka -l", folder) == b"two\\x0alines.txt\n", "a name is one line, where lines end names"
    write(folder, {name: "A quokka jumps.\n"})
    report = json.loads(shell(f"search quokka -l -0 | {COMMAND} index --files-from - -0 --json", folder))
    assert (report["files"]["changed"], report["failed"]) == (1, [])
    assert "indexed  two lines.txt\n" in semsearch("status", "--files", cwd=folder).out, "one line a file"
    files = semsearch("status", "--files", "--json", cwd=folder).json["files"]
    assert name in {one["path"] for one in files}


DASHED = "-rf"


@pytest.fixture
def dashed(tmp_path: Path) -> Path:
    folder = tmp_path / "-docs"
    write(folder, {DASHED: "A walrus dives.\n", "--help": "A walrus sleeps.\n", "-v/x.txt": "A walrus eats.\n"})
    index_folders([str(folder)], str(tmp_path / "index"), IndexOptions(model="static"))
    return folder


def test_no_name_is_a_flag_of_another_command(dashed: Path) -> None:
    at = "-i ../index"
    assert shell(f"search walrus -l -0 {at} | xargs -0 cat | sort", dashed).startswith(b"A walrus dives.\n")
    names = {b"./-rf", b"./--help", b"./-v/x.txt"}
    assert set(shell(f"search walrus -l {at}", dashed).splitlines()) == names
    found = shell(f"search walrus --format vimgrep {at}", dashed).splitlines()
    assert {line.partition(b":")[0] for line in found} == names


def test_the_label_of_a_folder_is_no_flag_either(semsearch: Command, dashed: Path, tmp_path: Path) -> None:
    write(tmp_path / "b", {"b.txt": "A bear.\n"})
    index_folders([str(tmp_path / "b")], str(tmp_path / "index"))
    assert semsearch("search", "dives", "-l", "--mode", "lexical", "-i", tmp_path / "index").out == "./-docs/-rf\n"


@pytest.mark.parametrize("here", [".", ".."])
def test_what_was_printed_with_a_dot_is_understood(semsearch: Command, dashed: Path, here: str) -> None:
    at = ("-i", dashed.parent / "index")
    cwd = dashed / here
    printed = semsearch("search", "dives", "-l", "--mode", "lexical", *at, cwd=cwd).out.strip()
    assert printed == ("./-rf" if here == "." else "./-docs/-rf")
    for is_there in (True, False):
        assert semsearch("why", "walrus", printed, *at, cwd=cwd).out.startswith("-rf: found"), is_there
        assert semsearch("search", "--like", f"{printed}:1", "-l", *at, cwd=cwd).code == 0
        assert semsearch("search", "walrus", "--path", printed, "-l", *at, cwd=cwd).out == f"{printed}\n"
        if is_there:
            (dashed / DASHED).unlink()
    write(dashed.parent, {"list": printed + "\n"})
    done = semsearch("index", "--files-from", dashed.parent / "list", "--json", *at, cwd=cwd)
    assert done.json["files"]["removed"] == 1
