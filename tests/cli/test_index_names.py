"""`-i NAME`: every command takes the names of the configuration file; status lists them, config shows them."""

import json
from pathlib import Path

import pytest

from tests.cli.test_flags import ONE, SEVERAL
from tests.support.commands import Command, Completed, one_line_error
from tests.support.folders import write


class Named:
    """Runs commands with the names `names` in the configuration file."""

    def __init__(self, semsearch: Command, place: Path) -> None:
        self._run = semsearch
        self._place = place

    def names(self, **names: str) -> None:
        table = "".join(f"{json.dumps(name)} = {json.dumps(where)}\n" for name, where in names.items())
        write(self._place, {"xdg/semsearch/config.toml": f'model = "static"\n[indexes]\n{table}'})

    def __call__(self, *arguments: object, **options: object) -> Completed:
        environment = {"XDG_CONFIG_HOME": str(self._place / "xdg"), "HOME": str(self._place)}
        return self._run(*arguments, env={**environment, **(options.pop("env", None) or {})}, **options)  # type: ignore[dict-item]


@pytest.fixture
def named(semsearch: Command, tmp_path: Path) -> Named:
    write(tmp_path, {"docs/otter.md": "# Otters\n\nThe otter sleeps.\n", "mail/boat.txt": "The boat sails at noon.\n"})
    run = Named(semsearch, tmp_path)
    run.names(notes="~/far/notes.index", mail=str(tmp_path / "mail"), lost="~/lost", copy="~/copied.index")
    return run


@pytest.mark.slow
def test_an_index_is_made_searched_copied_and_told_by_its_name(named: Named, tmp_path: Path) -> None:
    assert named("index", "docs", "-i", "notes").code == 0
    assert (tmp_path / "far" / "notes.index" / "catalog.db").is_file()
    again = named("index", "--index=notes")
    assert again.code == 0 and "up to date" in again.out
    assert "up to date" in named("index", "docs", "-i", "notes", "--newest-first").out, "the quick way, too"
    assert named("index", "mail").code == 0
    assert named("search", "otter", "-i", "notes", "-l").out == "docs/otter.md\n"
    assert named("search", "otter", "-l", env={"SEMSEARCH_INDEX": "notes"}).out == "docs/otter.md\n"
    # The name wins over the folder of documents that lies in the working folder.
    write(tmp_path, {"notes/other.md": "no index here\n"})
    assert named("search", "otter", "-i", "notes", "-l").out == "docs/otter.md\n"
    assert "no index at" in named("search", "otter", "-i", "./notes").err
    both = named("search", "sleeps OR sails", "-i", "notes", "-i", "mail", "--mode", "lexical", "--jsonl")
    paths = sorted(json.loads(line)["path"] for line in both.out.splitlines())
    assert paths == ["mail/boat.txt", "notes/otter.md"], "paths begin with the names"
    twice = named("search", "otter", "-i", "notes", "-i", str(tmp_path / "far" / "notes.index"))
    assert "the same index is named twice" in one_line_error(twice.err)
    assert named("copy", "-i", "notes", "--to", "copy").code == 0
    assert named("search", "otter", "-i", "copy", "-l").out == "docs/otter.md\n"
    listing = named("status")
    assert listing.code == 0 and "these have a name" in one_line_error(listing.err)
    lines = {line.split()[0]: line for line in listing.out.splitlines()}
    assert list(lines) == ["notes", "mail", "lost", "copy"]
    assert "1 file, 1 chunk, changed" in lines["notes"] and lines["notes"].endswith("far/notes.index")
    assert lines["lost"].split(None, 1)[1] == (
        f"no index at {tmp_path}/lost (make one with: semsearch index FOLDER --index lost)"
    )
    told = named("status", "--json")
    assert told.err == "" and told.json["schema"] == "semsearch.indexes/1"
    found = {one["name"]: one for one in told.json["indexes"]}
    assert found["notes"]["status"]["files"]["indexed"] == 1 and found["notes"]["error"] is None
    assert found["lost"]["status"] is None and found["lost"]["error"]["code"] == "no_index"
    assert found["lost"]["index"] == str(tmp_path / "lost")
    # Where an index is found, or was said, status is about that one.
    assert f"{tmp_path}/mail/.semsearch" in named("status", cwd=tmp_path / "mail").out
    for missing in (("-i", "lost"), ("--files",)):
        assert named("status", *missing).code == 2
    assert named("status", env={"SEMSEARCH_INDEX": "lost"}).code == 2


@pytest.mark.parametrize("command", sorted({*SEVERAL, *ONE} - {"index", "browse"}))  # browse needs a terminal
def test_every_command_takes_a_name_and_tells_of_a_slip(named: Named, command: str) -> None:
    words = [*command.split(), *ONE.get(command, ()), *(["otter"] if command in ("search", "ask") else [])]
    slip = named(*words, "-i", "ntoes")
    assert slip.code == 2
    assert "no index is called ntoes" in one_line_error(slip.err)
    assert "did you mean notes? these have a name: copy, lost, mail, notes" in slip.err
    meant = named(*words, "-i", "lost")
    assert meant.code == 2 and "lost (make one with: semsearch index FOLDER --index lost)" in meant.err


def test_a_slip_makes_no_index(named: Named, tmp_path: Path) -> None:
    for arguments in (["index", "docs", "-i", "ntoes"], ["index", "docs", "-i", "ntoes", "-q"]):
        slip = named(*arguments)
        assert slip.code == 2 and "no index is called ntoes: did you mean notes?" in one_line_error(slip.err)
    assert not (tmp_path / "ntoes").exists()


def test_names_are_completed_and_shown(named: Named, tmp_path: Path) -> None:
    def completed(line: str) -> list[str]:
        words = line.split(" ")
        environment = {"_SEMSEARCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        return named(env=environment).out.split()

    write(tmp_path, {"nests/x.md": "x", "letter.md": "x", ".hidden/x": "x"})
    assert completed("semsearch search -i n") == ["notes", "nests"]
    assert completed("semsearch status -i ") == ["copy", "lost", "mail", "notes", "docs", "nests", "xdg"]
    assert completed("semsearch copy --to c") == ["copy"]
    assert completed("semsearch index docs -i l") == ["lost"], "no file is an index"
    assert completed("semsearch search -i ./n") == [], "the shell completes paths"
    named.names(**{"a/b": "/x"})
    assert completed("semsearch search -i n") == ["nests"]


def test_config_shows_the_names_without_passwords(named: Named, tmp_path: Path) -> None:
    named.names(notes="~/notes", team="postgresql://ada:secret@db.example.org/team")
    text, told = named("config"), named("config", "--json")
    assert "secret" not in text.out + told.out
    assert text.out.splitlines()[-2:] == [
        "indexes.notes       ~/notes  (config file)",
        "indexes.team        postgresql://ada@db.example.org/team  (config file)",
    ]
    assert told.json["indexes"] == {"notes": "~/notes", "team": "postgresql://ada@db.example.org/team"}
    listing = named("status")
    assert listing.code == 0 and "secret" not in listing.out + listing.err


def test_a_wrong_name_is_an_error_of_the_file_everywhere(named: Named, tmp_path: Path) -> None:
    named.names(**{"-x": "/a"})
    for command in (["config"], ["status"], ["index", "docs"], ["search", "otter", "-i", "docs"]):
        refused = named(*command)
        assert refused.code == 2
        line = one_line_error(refused.err)
        assert f"{tmp_path}/xdg/semsearch/config.toml: [indexes]: the name '-x' begins with -" in line
