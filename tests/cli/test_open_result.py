"""`semsearch open N` opens what the last search of this terminal showed; what it remembers is little and private."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from semsearch.cli import last_results
from semsearch.cli.last_results import ShownPlace, last_places, remember
from semsearch.indexing import IndexOptions, index_folders
from semsearch.settings import host_name
from tests.support.commands import Command, Completed, one_line_error
from tests.support.folders import PROJECT, write


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    write(folder, {"-rf.md": "# Otters\n\nThe otter sleeps.\n", "b.md": "# Boats\n\n\nThe boat sails at noon.\n"})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    write(tmp_path, {"editor": f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/opened\n'})
    (tmp_path / "editor").chmod(0o755)
    return folder


class Opening:
    """Runs commands with an editor that writes down what it is told, and a state folder of their own."""

    def __init__(self, semsearch: Command, place: Path) -> None:
        self._semsearch = semsearch
        self._place = place
        self.environment = {
            "XDG_STATE_HOME": str(place / "state"), "EDITOR": f"{place}/editor --wait", "VISUAL": "",
            "SEMSEARCH_HISTORY": "5",
        }  # fmt: skip

    def __call__(self, *arguments: object, **environment: str) -> Completed:
        return self._semsearch(*arguments, env={**self.environment, **environment})

    def opened(self) -> list[str]:
        file = self._place / "opened"
        text = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)
        return text.splitlines()


@pytest.fixture
def run(semsearch: Command, tmp_path: Path) -> Opening:
    return Opening(semsearch, tmp_path)


@pytest.mark.slow
def test_a_result_opens_at_its_line_wherever_one_stands(run: Opening, docs: Path, tmp_path: Path) -> None:
    nothing = run("open")
    assert nothing.code == 2
    assert one_line_error(nothing.err).endswith("no results are remembered (search first: semsearch search QUERY)")
    assert run("search", "otter", "-i", docs, "-k", "1").code == 0
    done = run("open")
    assert (done.code, done.out) == (0, "docs/-rf.md:3\n")
    assert run.opened() == ["--wait", "+3", f"{docs}/-rf.md"]
    beyond = run("open", "2")
    assert beyond.code == 2 and "there is no result 2 of the last search (semsearch open N, N 1)" in beyond.err
    # What is not printed for people, or is nothing, changes nothing.
    for others in (["--json"], ["-l"], ["-q"], ["--min-score", "2"]):
        run("search", "boat", "-i", docs, *others)
        run("open", "1")
        assert run.opened()[-1] == f"{docs}/-rf.md", others
    assert run("search", "boat", "-i", docs).code == 0
    run("open", "1")
    assert run.opened() == ["--wait", "+4", f"{docs}/b.md"]
    # A source of an answer; the file has changed, and then is gone.
    assert run("ask", "when does the boat sail", "-i", docs, "--no-llm").code == 0
    write(docs, {"b.md": "changed\n"})
    changed = run("open", "1")
    assert changed.code == 0 and "b.md has changed since it was indexed" in one_line_error(changed.err)
    (docs / "b.md").unlink()
    gone = run("open", "1")
    assert gone.code == 2
    shown = f"semsearch show {docs}/b.md --index {docs}/.semsearch"
    assert f"{docs}/b.md is not there any more (what was indexed of it: {shown})" in one_line_error(gone.err)
    assert "The boat sails at noon." in run(*shown.split()[1:]).out, "the command that it names does that"
    off = run("open", SEMSEARCH_HISTORY="0")
    assert off.code == 2 and "the setting history is 0" in one_line_error(off.err)
    # Only places are kept, for nobody else.
    (kept,) = (tmp_path / "state" / "semsearch").glob("results-*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert "noon" not in kept.read_text()


@pytest.mark.slow
def test_a_search_does_not_fail_where_nothing_can_be_remembered(run: Opening, docs: Path, tmp_path: Path) -> None:
    write(tmp_path, {"file": "no folder\n"})
    done = run("search", "otter", "-i", docs, XDG_STATE_HOME=f"{tmp_path}/file")
    assert done.code == 0 and "otter" in done.out and done.err == ""
    assert run("search", "otter", "-i", docs, SEMSEARCH_HISTORY="0").code == 0
    assert not (tmp_path / "state").exists()


def place(name: str) -> ShownPlace:
    return ShownPlace(name, f"/d/{name}", None, 1, "", (1, 2), "/d/.semsearch", host_name())


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SEMSEARCH_HISTORY", raising=False)
    return tmp_path / "state" / "semsearch"


_REMEMBERS = """
import sys
from semsearch.cli.last_results import ShownPlace, last_places, remember
if sys.argv[1:]:
    remember([ShownPlace(sys.argv[1], "/d", None, 1)])
print([place.path for place in last_places()])
"""


def test_each_terminal_has_its_own(state: Path, tmp_path: Path) -> None:
    script = tmp_path / "remembers.py"
    script.write_text(_REMEMBERS)
    pexpect = pytest.importorskip("pexpect")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}

    def terminal() -> Any:
        shell = pexpect.spawn("sh", env=environment, encoding="utf-8", timeout=60)
        shell.setecho(False)
        return shell

    def told(shell: Any, *arguments: str) -> str:
        shell.sendline(" ".join([sys.executable, str(script), *arguments]))
        shell.expect(r"(\['.*?'\])")
        return str(shell.match[1])

    one, two, three = terminal(), terminal(), terminal()
    assert told(one, "a.md") == "['a.md']"
    assert told(two, "b.md") == "['b.md']"
    assert told(one) == "['a.md']", "not what the other one shows"
    assert told(three) == "['b.md']", "of none of its own, the last one"
    assert [place.path for place in last_places()] == ["b.md"] or os.isatty(0)
    for shell in (one, two, three):
        shell.close(force=True)


def test_it_is_bounded(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        monkeypatch.setattr(last_results, "_terminal", lambda number=number: f"results-pts-{number}-1")
        remember([place(f"{number}.md")] * 1000)
        remember([place(f"{number}.md")] * 1000)
    assert len(list(state.iterdir())) == 20
    assert [one.path for one in last_places()] == ["29.md"] * 200
    remember([])
    assert last_places()[0] == place("29.md"), "places come back as they were"


@pytest.mark.parametrize(
    "content",
    ["", "[", "{}", "[1]", '[{"path": 1}]', '["a"]', "[" * 100_000, "null", "[[]]",
     json.dumps([{**place("x")._asdict(), "line": "1"}]), json.dumps([{**place("x")._asdict(), "stamp": 3}]),
     json.dumps([{**place("x")._asdict(), "later": 3}])],
)  # fmt: skip
def test_what_is_damaged_is_passed_over(state: Path, content: str) -> None:
    remember([place("a.md")])
    (state / "results-none.99999999999999999999").write_text(content)
    assert last_places() == [place("a.md")]


def test_the_results_of_an_index_are_forgotten(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, location in enumerate(("/d/.semsearch", "/other", "")):
        monkeypatch.setattr(last_results, "_terminal", lambda number=number: f"results-pts-{number}-1")
        remember([place("a.md")._replace(location=location)])
    last_results.forget(["/d/.semsearch"])
    assert [one.location for one in last_places()] == ["/other"]


def test_a_link_in_its_place_is_not_followed(state: Path, tmp_path: Path) -> None:
    remember([place("a.md")])
    os.symlink(tmp_path / "elsewhere", state / "results-none.99999999999999999999")
    with pytest.raises(OSError, match="symbolic links"):
        last_places()
