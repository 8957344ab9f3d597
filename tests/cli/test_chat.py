"""`ask --chat` on a terminal and in a pipe; `ask -c`, from one process to the next."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.chat_server import Handler, chat
from tests.support.commands import COMMAND, Command, hear_signals, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.terminal import trouble
from tests.support.waiting import CEILING_SECONDS

TEXTS = {
    "battery.md": "# Battery house\n\nThe cells may get 28 degrees hot.\nBelow 2 degrees nothing is charged.\n",
    "ferry.txt": "The night ferry leaves the harbour at ten.\nDogs stay on a lead on the ferry.\n",
}
QUESTION = "how hot may the battery cells get"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path / "docs", TEXTS)
    index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
    return tmp_path / "docs"


class Typed:
    """The real command on a terminal, typed at."""

    def __init__(self, arguments: list[str], cwd: Path, **environment: str) -> None:
        pexpect = pytest.importorskip("pexpect")
        self.child = pexpect.spawn(
            sys.executable, ["-m", "semsearch", *arguments], cwd=str(cwd), timeout=CEILING_SECONDS, encoding="utf-8",
            dimensions=(50, 200), preexec_fn=hear_signals,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm", "INPUTRC": "/dev/null", **environment},
        )  # fmt: skip
        self.prompt()

    def prompt(self) -> str:
        """What was printed up to the next prompt."""
        self.child.expect(r"(?:^|[\r\n]|\x1b\[\?2004h)> ")
        return str(self.child.before)

    def says(self, text: str) -> str:
        self.child.sendline(text)
        return self.prompt()

    def end(self) -> int:
        self.child.sendeof()
        return self.ended()

    def ended(self) -> int:
        import pexpect

        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus)


@pytest.fixture
def typed(index: Path) -> Iterator[Typed]:
    running = Typed(["ask", "--chat", "-i", "."], index)
    yield running
    running.child.close(force=True)


def test_a_conversation_on_a_terminal(typed: Typed, index: Path) -> None:
    assert "28 degrees hot. [1]" in typed.says(QUESTION)
    told = typed.says("and below 2?")
    assert "Below 2 degrees nothing is charged. [1]" in told and "battery.md:4" in told
    assert not trouble(told.replace("\x1b[?2004l", "").replace("\x1b[?2004h", "").encode())
    sources = typed.says("/sources")
    assert "[1] battery.md:" in sources and "Below 2 degrees" in sources
    assert "/open N" in typed.says("/help")
    assert "is no command" in typed.says("/nonsense")
    assert "name a source of the last answer" in typed.says("/open 99")
    assert typed.says("") is not None
    assert typed.end() == 0


@pytest.mark.slow
def test_ctrl_c_clears_the_line_and_ctrl_d_leaves(typed: Typed) -> None:
    typed.child.send("half a question that is not meant")
    typed.child.expect("not meant")
    typed.child.sendintr()
    typed.prompt()
    told = typed.says(QUESTION)
    assert "28 degrees hot" in told and "half a question" not in told
    assert typed.end() == 0


@pytest.mark.slow
def test_leaving_by_name(typed: Typed) -> None:
    typed.child.sendline("/quit")
    assert typed.ended() == 0


@pytest.mark.slow
def test_what_was_asked_before_comes_back_by_the_arrow_keys(semsearch: Command, index: Path) -> None:
    semsearch("ask", QUESTION, "-i", index)
    running = Typed(["ask", "--chat", "-i", "."], index)
    running.child.send("\x1b[A\n")
    assert "28 degrees hot" in running.prompt()
    assert running.end() == 0


@pytest.mark.slow
def test_open_starts_the_editor_at_the_line(index: Path, tmp_path: Path) -> None:
    write(tmp_path, {"editor": f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/opened\n'})
    (tmp_path / "editor").chmod(0o755)
    running = Typed(["ask", QUESTION, "--chat", "-i", "."], index, VISUAL=f"{tmp_path}/editor --wait")
    assert "cannot" not in running.says("/open 1")
    assert (tmp_path / "opened").read_text().splitlines() == ["--wait", "+3", str(index / "battery.md")]
    (index / "battery.md").unlink()
    assert "is not there any more" in running.says("/open 1")
    assert running.end() == 0


def test_a_model_that_writes_is_stopped_and_the_conversation_goes_on(index: Path) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        if "endless" not in body["messages"][-1]["content"]:
            handler.say(body, "The cells may get 28 degrees hot [1].")
            return
        handler.begin()
        try:
            while True:
                handler.piece({"choices": [{"index": 0, "delta": {"content": "on and on "}}]})
                time.sleep(0.05)
        except OSError:  # it hung up
            pass

    with chat(answer) as server:
        flags = ["--llm", "tiny", "--base-url", server.url]
        running = Typed(["ask", "--chat", "-i", ".", *flags], index, OPENAI_API_KEY="k")
        running.child.sendline("how hot may the battery cells get, endless")
        running.child.expect("on and on on and on")
        running.child.sendintr()
        assert "stopped" in running.prompt()
        assert "28 degrees hot [1]" in running.says(QUESTION)
        assert running.end() == 0


def test_one_question_a_line_of_a_pipe(semsearch: Command, index: Path) -> None:
    typed = f"{QUESTION}\n\nand below 2?\n/sources\n/nonsense\n"
    done = semsearch("ask", "--chat", "-i", index, stdin=typed)
    assert done.code == 0 and "> " not in done.out
    assert "28 degrees hot. [1]" in done.out and "/battery.md:4" in done.out
    told = done.err.splitlines()
    assert told[0] == f"semsearch: searched together with what was asked before: {QUESTION}"
    assert "/nonsense is no command" in told[1] and len(told) == 2
    assert "28 degrees" in semsearch("ask", "--chat", "-i", index, stdin=f"{QUESTION} \udcff\n").out, "no UTF-8"
    assert semsearch("ask", "--chat", "-i", index, stdin="").code == 1
    assert semsearch("ask", "--chat", "-i", index, stdin="xylophone quasar\n").code == 1
    assert semsearch("ask", "--chat", "-i", index, stdin="/nonsense\n").code == 2


@pytest.mark.slow
def test_one_question_that_fails_does_not_end_a_conversation(semsearch: Command, index: Path) -> None:
    asked: list[dict[str, Any]] = []

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        asked.append(body)
        if len(asked) == 1:
            handler.reply(401, {"error": {"message": "no"}})
        else:
            handler.say(body, "The cells may get 28 degrees hot [1].")

    with chat(answer) as server:
        flags = ["--llm", "tiny", "--base-url", server.url]
        done = semsearch("ask", "--chat", "-i", index, *flags, stdin=f"{QUESTION} first\n{QUESTION}\n",
                         env={"OPENAI_API_KEY": "k"})  # fmt: skip
    assert done.code == 0 and "28 degrees hot [1]." in done.out


@pytest.mark.slow
@pytest.mark.parametrize("conversation", [("-c",), ("--continue",), ("--chat", "--continue")])
def test_another_process_goes_on(semsearch: Command, index: Path, conversation: tuple[str, ...]) -> None:
    assert semsearch("ask", QUESTION, "-i", index).code == 0
    done = semsearch("ask", *conversation, "and below 2?", "-i", index)
    assert done.code == 0 and "Below 2 degrees nothing is charged." in done.out
    log = semsearch("ask", "log", "-i", index, "--json").json["questions"]
    assert [one["question"] for one in log] == [QUESTION, "and below 2?"]
    assert len({one["conversation"] for one in log}) == 1
    if "--chat" in conversation:
        return
    asked = semsearch("ask", *conversation, "and below 2?", "-i", index, "--json").json
    assert asked["meant"] == f"{QUESTION} and below 2? and below 2?"
    semsearch("ask", "when does the night ferry leave", "-i", index)
    assert semsearch("ask", "-c", "with dogs?", "-i", index, "--json").json["contexts"][0]["path"] == "ferry.txt"


@pytest.mark.slow
def test_there_may_be_nothing_to_go_on_with(semsearch: Command, index: Path) -> None:
    done = semsearch("ask", "-c", QUESTION, "-i", index)
    assert done.code == 0 and "there is no conversation to go on with" in done.err
    off = semsearch("ask", "-c", QUESTION, "-i", index, env={"SEMSEARCH_HISTORY": "0"})
    assert off.code == 0 and "the setting history is 0" in off.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chat", "--json"], "--chat prints text"),
        (["--chat", "-q"], "--chat prints text"),
        (["--chat", "--queries", "-"], "--chat does not go with it"),
        (["-c", "--queries", "-"], "--continue does not go with it"),
        (["-c"], "give a QUESTION"),
        (["x", "-n", "3"], "semsearch ask log"),
        (["x", "--forget"], "semsearch ask log"),
        (["log", "-n", "0"], "out of range"),
        (["x", "--expand"], "--expand needs a language model"),
        (["x", "--save", "no/such/folder.md"], "no such folder"),
        (["x", "--save", "."], "is no file"),
        (["x", "--save", ""], "names no file"),
    ],
)
def test_usage_errors(semsearch: Command, index: Path, arguments: list[str], message: str) -> None:
    done = semsearch("ask", "-i", index, *arguments, env={"SEMSEARCH_LLM": ""})
    told = done.err if "--json" in arguments else one_line_error(done.err)
    assert done.code == 2 and message in told


# -- ask log ---------------------------------------------------------------------------------------------------------


def test_the_log_lists_what_was_asked(semsearch: Command, index: Path) -> None:
    empty = semsearch("ask", "log", "-i", index)
    assert (empty.code, empty.out) == (1, "") and "no question is remembered" in empty.err
    semsearch("ask", QUESTION, "-i", index)
    semsearch("ask", "when does the ferry leave", "-i", index, "--json")
    semsearch("ask", "xylophone quasar", "-i", index, "-q")
    done = semsearch("ask", "log", cwd=index)
    questions = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d  (.*)$", done.out, re.MULTILINE)
    assert questions == [QUESTION, "when does the ferry leave", "xylophone quasar"]
    assert "    The cells may get 28 degrees hot. [1]\n" in done.out and "    battery.md:3\n" in done.out
    elsewhere = semsearch("ask", "log", "-i", index, cwd=index.parent).out
    assert f"    {index.name}/battery.md:3\n" in elsewhere, "a path that opens from the working folder"
    last = semsearch("ask", "log", "-i", index, "-n", "1", "--json").json
    assert last["schema"] == "semsearch.asked/1" and last["index"] == str(index / ".semsearch")
    (one,) = last["questions"]
    assert one["question"] == "xylophone quasar" and not one["answered"] and one["sources"] == []


@pytest.mark.slow
def test_the_word_log_can_be_asked_about(semsearch: Command, index: Path) -> None:
    for arguments in (["log?"], ["-c", "log"]):
        semsearch("ask", *arguments, "-i", index)
        assert (
            semsearch("ask", "log", "-i", index, "-n", "1", "--json").json["questions"][0]["question"] == arguments[-1]
        )


@pytest.mark.slow
def test_what_was_asked_can_be_forgotten(semsearch: Command, index: Path, tmp_path: Path) -> None:
    semsearch("ask", QUESTION, "-i", index)
    assert "1 question forgotten" in semsearch("ask", "log", "--forget", "-i", index).err
    assert semsearch("ask", "log", "-i", index).code == 1
    assert list((tmp_path / "state" / "semsearch").iterdir()) == []


@pytest.mark.slow
def test_batches_are_not_remembered_nor_anything_where_that_is_turned_off(
    semsearch: Command, index: Path, tmp_path: Path
) -> None:
    semsearch("ask", "--queries", "-", "-i", index, stdin=f"{QUESTION}\n")
    semsearch("ask", QUESTION, "-i", index, env={"SEMSEARCH_HISTORY": "0"})
    assert not (tmp_path / "state").exists()


@pytest.mark.slow
def test_a_log_that_cannot_be_written_is_a_notice(semsearch: Command, index: Path, tmp_path: Path) -> None:
    write(tmp_path, {"state": "a file in the place of the folder"})
    done = semsearch("ask", QUESTION, "-i", index)
    assert done.code == 0 and "28 degrees" in done.out
    assert "this question is not remembered" in done.err and len(done.err.splitlines()) == 1
    assert semsearch("ask", QUESTION, "-i", index, "-q").err == ""
    assert "28 degrees" in semsearch("ask", "-c", QUESTION, "-i", index).out


# -- --save ----------------------------------------------------------------------------------------------------------


def test_an_answer_is_saved_with_its_sources(semsearch: Command, index: Path, tmp_path: Path) -> None:
    write(tmp_path / "out", {"notes.md": "# My notes\n"})
    file = tmp_path / "out" / "notes.md"
    semsearch("ask", QUESTION, "-i", index, "--save", file)
    semsearch("ask", "--chat", "-i", index, "--save", "out/notes.md", stdin="when does the ferry leave\nwith dogs?\n")
    text = file.read_text()
    assert text.startswith("# My notes\n\n## how hot may the battery cells get\n"), "what was there stays"
    assert "\nThe cells may get 28 degrees hot. [1]\n" in text
    assert "- [1] [battery.md, line 3](<../docs/battery.md>)" in text
    assert re.findall("^## (.*)", text, re.MULTILINE) == [QUESTION, "when does the ferry leave", "with dogs?"]
    write(tmp_path, {"picture.md": b"\x89PNG\xff"})
    done = semsearch("ask", QUESTION, "-i", index, "--save", "picture.md")
    assert done.code == 2 and "is no text" in one_line_error(done.err)
    assert (tmp_path / "picture.md").read_bytes() == b"\x89PNG\xff"


@pytest.mark.slow
def test_a_full_disk_is_told_after_the_answer(semsearch: Command, index: Path, tmp_path: Path) -> None:
    write(tmp_path, {"saved.md": "x" * 4096 + "\n"})
    limited = f"ulimit -f 4; exec {COMMAND} ask '{QUESTION}' -i {index} --save saved.md"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_HISTORY": "0", "SEMSEARCH_QUERY_CACHE": "0"}
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "28 degrees" in done.stdout
    assert "the answer is not saved in saved.md: File too large" in one_line_error(done.stderr)
    assert (tmp_path / "saved.md").read_text().startswith("x" * 4096)


@pytest.mark.slow
def test_what_a_model_says_is_text_in_what_is_saved(semsearch: Command, index: Path, tmp_path: Path) -> None:
    said = "The cells may get 28 degrees hot [1]. ![x](http://127.0.0.1:9/?secret) <img src=x> [a](http://b)"
    with chat(lambda handler, body: handler.say(body, said)) as server:
        flags = ("--llm", "tiny", "--base-url", server.url, "--save", "saved.md")
        semsearch("ask", QUESTION, "-i", index, *flags, env={"OPENAI_API_KEY": "k"})
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark").render((tmp_path / "saved.md").read_text())
    assert "<img" not in html and 'href="http' not in html
    assert "![x](http://127.0.0.1:9/?secret)" in html, "it reads as it was said"


# -- --expand --------------------------------------------------------------------------------------------------------


def test_other_ways_to_say_it_find_what_the_query_does_not(semsearch: Command, index: Path) -> None:
    with chat(lambda handler, body: handler.say(body, "- when does the night ferry leave the harbour")) as server:
        flags = ("-i", index, "--llm", "tiny", "--base-url", server.url)
        found = semsearch("search", "evening vessel", *flags, "--expand", "--json", env={"OPENAI_API_KEY": "k"})
        configured = {"OPENAI_API_KEY": "k", "SEMSEARCH_LLM": "tiny", "OPENAI_BASE_URL": server.url}
        asked = semsearch("ask", "evening vessel", "-i", index, "--no-llm", "--expand", "--json", env=configured)
        many = semsearch("search", "--queries", "-", *flags, "--expand", "--jsonl", stdin="a vessel\nships\n")
        assert len(server.requests) == 4
    assert found.json["results"][0]["path"] == "ferry.txt" and found.json["query"] == "evening vessel"
    assert asked.json["contexts"][0]["path"] == "ferry.txt" and asked.json["llm"] is None
    assert {json.loads(line)["path"] for line in many.out.splitlines()} >= {"ferry.txt"}


@pytest.mark.slow
def test_where_the_model_fails_the_search_is_a_plain_one(semsearch: Command, index: Path) -> None:
    flags = ("-i", index, "--llm", "tiny", "--base-url", "http://127.0.0.1:9/v1")
    done = semsearch("search", "night ferry", *flags, "--expand", "-l", env={"OPENAI_API_KEY": "k"})
    assert done.code == 0 and done.out.splitlines()[0].endswith("/ferry.txt")
    assert "--expand: searched for the query alone: nothing listens" in done.err and len(done.err.splitlines()) == 1
    for arguments, message in (
        (["night ferry", "--llm", "tiny"], "are about --expand"),
        (["night ferry", "--expand"], "--expand needs a language model"),
        (["--like", "ferry.txt", "--expand", "--llm", "tiny"], "--like has an example"),
    ):
        done = semsearch("search", "-i", index, *arguments, env={"SEMSEARCH_LLM": ""})
        assert done.code == 2 and message in one_line_error(done.err)
