"""What `ask` remembers: private, bounded, whole or not at all, whatever the file holds."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.answering.answer import Answer, Citation
from semsearch.answering.question_log import QuestionLog, new_conversation, turn_dict, turn_of
from semsearch.answering.turn import Source, Turn
from tests.support.answer_hits import hit
from tests.support.folders import PROJECT


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "semsearch"


def turn(number: int, conversation: str = "a", text: str = "an answer") -> Turn:
    return Turn(f"question {number}", "meant", text, True, None, (Source("a.md", None, 3),), "2026-01-02T03:04:05Z",
                conversation)  # fmt: skip


def test_what_is_remembered_comes_back(state: Path) -> None:
    log = QuestionLog(["/docs/.semsearch"], 10)
    odd = Turn("q \udce4\n?", "m\u2028", "a\x00b", False, "model", (Source("\udcff.md", 3, None),), "", "b")
    for one in (turn(1), turn(2), odd):
        log.append(one)
    assert QuestionLog(["/docs/.semsearch"], 10).turns() == [turn(1), turn(2), odd]
    assert log.last_conversation() == [odd]
    assert QuestionLog(["/other/.semsearch"], 10).turns() == []
    assert QuestionLog(["/b", "/a"], 10).path == QuestionLog(["/a", "/b"], 10).path


def test_it_is_the_users_alone(state: Path) -> None:
    before = os.umask(0)
    try:
        log = QuestionLog(["/docs"], 2)
        for number in range(9):
            log.append(turn(number))
            assert stat.S_IMODE(os.stat(log.path).st_mode) == 0o600
    finally:
        os.umask(before)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    state.chmod(0o755)
    log.append(turn(9))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


@pytest.mark.parametrize("most", [1, 2, 30])
def test_it_is_bounded_in_number_and_length(most: int) -> None:
    log = QuestionLog(["/docs"], most)
    for number in range(3 * most):
        log.append(turn(number, text="long " * 10_000))
    assert [one.question for one in log.turns()] == [f"question {number}" for number in range(2 * most, 3 * most)]
    assert len(log.turns()[0].text) == 8_000
    assert len(Path(log.path).read_bytes().splitlines()) <= 2 + most + most // 10
    assert os.listdir(os.path.dirname(log.path)) == [os.path.basename(log.path)]


def test_the_indexes_that_were_asked_last_are_kept(state: Path) -> None:
    for number in range(120):
        log = QuestionLog([f"/docs{number}"], 5)
        log.append(turn(number))
        os.utime(log.path, (number, number))
    assert len(list(state.iterdir())) <= 101
    assert QuestionLog(["/docs119"], 5).turns() and not QuestionLog(["/docs0"], 5).turns()


def test_nothing_is_kept_where_nothing_is_wanted(state: Path) -> None:
    QuestionLog(["/docs"], 0).append(turn(1))
    assert not state.exists() and QuestionLog(["/docs"], 0).turns() == []


def test_it_can_be_forgotten(state: Path) -> None:
    log = QuestionLog(["/docs"], 5)
    assert log.forget() == 0
    log.append(turn(1))
    log.append(turn(2))
    assert log.forget() == 2 and log.turns() == [] and not list(state.iterdir())


HEAD = b'{"schema": "semsearch.asked/1"}\n'


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff\n", b"[]\n[]\n", HEAD + b'null\n{"question": 1}\n{"question": "a"}\n' + b"[" * 9999]
)
def test_whatever_the_file_holds_the_next_question_is_remembered(state: Path, content: bytes) -> None:
    log = QuestionLog(["/docs"], 5)
    log.append(turn(1))
    Path(log.path).write_bytes(content)
    assert log.turns() == []
    log.append(turn(2))
    assert log.turns() == [turn(2)]


def test_a_line_that_was_cut_off_loses_itself_alone() -> None:
    log = QuestionLog(["/docs"], 5)
    log.append(turn(1))
    log.append(turn(2))
    Path(log.path).write_bytes(Path(log.path).read_bytes()[:-20])
    log.append(turn(3))
    assert log.turns() == [turn(1), turn(3)]


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_what_is_no_file_is_neither_read_nor_written(tmp_path: Path, what: str) -> None:
    log = QuestionLog(["/docs"], 5)
    log.append(turn(1))
    os.unlink(log.path)
    if what == "link":
        (tmp_path / "target").write_text("mine")
        os.symlink(tmp_path / "target", log.path)
    elif what == "folder":
        os.mkdir(log.path)
    else:
        os.mkfifo(log.path)
    with pytest.raises(OSError):
        log.turns()
    with pytest.raises(OSError):
        log.append(turn(2))
    assert what != "link" or (tmp_path / "target").read_text() == "mine"


_APPENDS = """
import sys
from semsearch.answering.turn import Turn
from semsearch.answering.question_log import QuestionLog
for number in range(40):
    QuestionLog(["/docs"], 60).append(Turn(f"{sys.argv[1]} {number}", "m", "x" * 500, True, None, (), "", sys.argv[1]))
"""


def test_processes_that_ask_at_once_lose_nothing() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    running = [subprocess.Popen([sys.executable, "-c", _APPENDS, str(n)], env=environment) for n in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    turns = QuestionLog(["/docs"], 60).turns()
    assert len(turns) == 60
    for name in ("0", "1", "2"):
        numbers = [int(one.question.split()[1]) for one in turns if one.conversation == name]
        assert numbers == list(range(40 - len(numbers), 40)), "in order, without a gap"


def test_a_turn_holds_what_was_said_and_where_it_stands() -> None:
    cited = [
        Citation(1, "a.md", None, 3, 4, "q"),
        Citation(1, "a.md", None, 3, 3, "r"),
        Citation(2, "b.pdf", 7, None, None, ""),
    ]
    contexts = tuple(replace(hit("text"), path=path, file=f"/docs/{path}") for path in ("a.md", "b.pdf"))
    answer = Answer("q?", "text", True, "tiny", tuple(cited), contexts, meant="what q?")
    made = turn_of(answer, new_conversation())
    assert (made.question, made.meant, made.text, made.llm) == ("q?", "what q?", "text", "tiny")
    assert made.sources == (Source("a.md", None, 3, "/docs/a.md"), Source("b.pdf", 7, None, "/docs/b.pdf"))
    assert made.at.endswith("Z") and json.dumps(made.conversation)
    log = QuestionLog(["/docs"], 5)
    log.append(made)
    assert log.turns() == [made]
    assert turn_dict(made)["sources"] == [
        {"path": "a.md", "page": None, "line": 3}, {"path": "b.pdf", "page": 7, "line": None},
    ]  # fmt: skip


def test_sources_that_an_earlier_version_remembered_have_no_file(state: Path) -> None:
    log = QuestionLog(["/docs"], 5)
    log.append(turn(1))
    file = next(state.glob("asked-*"))
    text = file.read_text()
    assert '"file": ""' in text
    file.write_text(text.replace(', "file": ""', ""))
    assert log.turns() == [turn(1)]
    file.write_text(text.replace('"file": ""', '"file": 3'))
    assert log.turns() == []
