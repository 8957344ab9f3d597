"""Nothing that documents, names, models, settings or servers say controls the terminal, by any command in any form.

In pipes text is as it is, but one record is one line.
"""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from semsearch.cli.streams import for_terminal
from semsearch.indexing import IndexOptions, index_folders
from tests.support.chat_server import Handler, chat
from tests.support.commands import Command, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.terminal import HOSTILE, on_terminal, trouble

# Of a file in the index; one that is no UTF-8 and holds a C1 byte.
NAME = f"otter {HOSTILE}\n.md"
BYTES = os.fsdecode(b"otter \x9b31m\xff.txt")
TEXT = (
    f"---\ntitle: Otter\u202e title\u2066 {HOSTILE[-9:]}\ntags: [otter\u202e, \u200fvidra]\nauthor: \u202eOtter\n---\n"
    f"\n# The otter\u202e heading {HOSTILE}\n\nThe otter {HOSTILE} sleeps by the river.\n\nIt eats {HOSTILE} fish.\n"
)
SETTINGS = f'model = "static"\nllm = {json.dumps("tiny" + HOSTILE)}\nbase_url = "http://127.0.0.1:9/\u202ev1"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal") / f"docs {HOSTILE}"
    others = {f"other {number}.txt": f"Number {number} tells of boats and storms.\n" for number in range(20)}
    write(folder, {NAME: TEXT, "copy.md": TEXT, BYTES: "Another otter \u202esleeps.\n", **others})
    write(
        folder, {f"broken {HOSTILE}.pdf": b"%PDF-1.4 no more", f"skipped {HOSTILE}.bin": b"\0\1", ".gitignore": "ig*\n"}
    )
    write(folder, {f"ignored {HOSTILE}.txt": "x", "home/semsearch/config.toml": SETTINGS})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    write(folder, {"queries.jsonl": json.dumps({"_id": "q1" + HOSTILE, "text": "otter" + HOSTILE}) + "\n"})
    write(folder, {"bad.jsonl": '{"_id": 1, "text": "otter"}\n{"' + HOSTILE + '": 1}\n'})
    return folder


ASKING = ["otter", "-i", "."]
FORMATS = ["text", "json", "jsonl", "csv", "vimgrep", "paths", "trec"]
COMMANDS: dict[str, list[str]] = {
    **{f"search as {style}": ["search", *ASKING, "--format", style] for style in FORMATS},
    "search, raw csv": ["search", *ASKING, "--format", "csv", "--raw"],
    "search, lines around": ["search", *ASKING, "-C", "2", "--explain"],
    "search, absolute paths": ["search", *ASKING, "-l", "--absolute"],
    "search, no colour": ["search", *ASKING, "--color", "never"],
    "search, always colour": ["search", *ASKING, "--color", "always"],
    "search for files": ["search", *ASKING, "--group", "file"],
    "search, a hostile query": ["search", f"otter {HOSTILE}", "-i", "."],
    "search, a hostile word": ["search", f"ottr{HOSTILE}", "-i", ".", "--path", HOSTILE],
    **{f"search, many as {style}": ["search", "--queries", "queries.jsonl", "-i", ".", "--format", style]
       for style in FORMATS if style != "json"},
    "search, bad queries": ["search", "--queries", "bad.jsonl", "-i", "."],
    "search like": ["search", "--like", NAME, "-i", "."],
    "search like nothing": ["search", "--like", HOSTILE, "-i", "."],
    "search, no index": ["search", "otter", "-i", HOSTILE],
    "search, no index as json": ["search", "otter", "-i", HOSTILE, "--json"],
    "search, a hostile flag": ["search", "otter", f"--{HOSTILE}"],
    "search, a hostile type": ["search", *ASKING, "--type", HOSTILE],
    "search, a hostile reranker": ["search", *ASKING, "--rerank=" + HOSTILE],
    "search, new": ["search", *ASKING, "--new-since", "state" + HOSTILE],
    "ask": ["ask", *ASKING, "--no-llm"],
    "ask as json": ["ask", *ASKING, "--no-llm", "--json"],
    "ask with passages": ["ask", *ASKING, "--no-llm", "--show-context"],
    "ask many": ["ask", "--queries", "queries.jsonl", "-i", ".", "--no-llm"],
    "ask many as jsonl": ["ask", "--queries", "queries.jsonl", "-i", ".", "--no-llm", "--jsonl"],
    "ask log": ["ask", "log", "-i", "."],
    "ask log as json": ["ask", "log", "-i", ".", "--json"],
    "ask on": ["ask", "-c", *ASKING, "--no-llm"],
    "ask in a file that is none": ["ask", *ASKING, "--no-llm", "--save", HOSTILE + "/x.md"],
    "ask a dead server": ["ask", *ASKING, "--base-url", "http://127.0.0.1:9/v1"],
    "ask nowhere": ["ask", *ASKING, "--base-url", HOSTILE],
    "why": ["why", "otter", NAME, "-i", "."],
    "why, bytes": ["why", "otter", BYTES, "-i", "."],
    "why as json": ["why", "otter", NAME, "-i", ".", "--json"],
    "why not": ["why", "boats", f"broken {HOSTILE}.pdf", "-i", "."],
    "why ignored": ["why", "boats", f"ignored {HOSTILE}.txt", "-i", "."],
    "why nothing": ["why", "boats", HOSTILE, "-i", "."],
    "open": ["open"],
    "open too much": ["open", "1000"],
    "open nothing": ["open", HOSTILE],
    "show": ["show", NAME, "-i", "."],
    "show as json": ["show", NAME + ":1", "-C", "1", "-n", "-i", ".", "--json"],
    "show numbers": ["show", NAME, "-n", "-i", "."],
    "show nothing": ["show", HOSTILE, "-i", "."],
    "status": ["status", "-i", "."],
    "status as json": ["status", "-i", ".", "--json"],
    "status of files": ["status", "--files", "-i", "."],
    "status of files as json": ["status", "--files", "-i", ".", "--json"],
    "browse nowhere": ["browse", "otter", "-i", HOSTILE],
    "browse, a hostile mode": ["browse", "otter", "-i", ".", "--mode", HOSTILE],
    "serve nowhere": ["serve", "-i", HOSTILE],
    "serve, a hostile address": ["serve", "-i", ".", "--host", HOSTILE],
    "mcp nowhere": ["mcp", "-i", HOSTILE],
    "copy": ["copy", "-i", ".", "--to", HOSTILE],
    "verify": ["verify", "-i", "."],
    "verify as json": ["verify", "-i", ".", "--json"],
    "config": ["config"],
    "config as json": ["config", "--json"],
    "index": ["index", ".", "-i", "new"],
    "index again": ["index", ".", "--retry"],
    "index as json": ["index", ".", "--retry", "--json"],
    "index, dry": ["index", ".", "--retry", "--dry-run"],
    "index nothing": ["index", HOSTILE],
    "index by no model": ["index", ".", "--model", HOSTILE],
    "index by no tokenizer": ["index", ".", "-i", "other", "--tokenizer", HOSTILE],
    "index, odd globs": ["index", ".", "-i", "other", "--exclude", HOSTILE],
    "models": ["models"],
    "models as json": ["models", "--json"],
    "models recommend": ["models", "recommend"],
    "models show": ["models", "show", "e5-small-v2"],
    "models show nothing": ["models", "show", HOSTILE],
    "models path": ["models", "path", HOSTILE],
    "models verify": ["models", "verify", HOSTILE],
    "models prepare": ["models", "prepare", HOSTILE],
    "models export": ["models", "export", HOSTILE, "x.tar"],
    "models import": ["models", "import", HOSTILE],
    "models pull": ["models", "pull", HOSTILE],
    "quantize": ["quantize", "--dry-run", "--queries", "10", "-i", "."],
    "quantize as json": ["quantize", "int8", "--dry-run", "--queries", "10", "-i", ".", "--json"],
    "quantize to nothing": ["quantize", HOSTILE, "-i", "."],
    "bench quality": ["bench", "quality", "--questions", "10", "-i", "."],
    "bench quality, no judgements": ["bench", "quality", "--queries", "queries.jsonl", "--qrels", HOSTILE],
    "bench quality, no gate": ["bench", "quality", "--fail-under", HOSTILE, "-i", "."],
    "bench vectors": ["bench", "vectors", "--sample", "100", "--queries", "10", "-i", "."],
    "bench speed": ["bench", "speed", "--chunks", "1", "--rounds", "1", "-i", "."],
    "tune": ["tune", "--dry-run", "--questions", "100", "-i", "."],
    "tune, no pairs": ["tune", "--pairs", HOSTILE, "-i", "."],
    "help": ["search", "--help"],
    "no command": [HOSTILE],
    "version": ["--version"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_controls_the_terminal(folder: Path, name: str) -> None:
    environment = {
        "XDG_CONFIG_HOME": str(folder / "home"),
        "OPENAI_API_KEY": "k",
        "SEMSEARCH_DEBUG": "",
        "VISUAL": "true",
    }
    code, arrived = on_terminal(COMMANDS[name], folder, environment)
    assert arrived, "something is said"
    assert not trouble(arrived)
    assert b"this is a defect" not in arrived and code in (0, 1, 2), arrived


def test_no_command_is_forgotten() -> None:
    import typer

    from semsearch.cli.app import app
    from semsearch.cli.manual import commands_of

    tried = {" ".join(arguments[:2]) for arguments in COMMANDS.values()} | {one[0] for one in COMMANDS.values()}
    assert not set(commands_of(typer.main.get_command(app))) - tried


@pytest.mark.slow
def test_what_a_model_or_its_server_says_does_not_control_the_terminal(folder: Path) -> None:
    def refuse(handler: Handler, body: object) -> None:
        handler.reply(401, {"error": {"message": f"no {HOSTILE} key"}})

    def answer(handler: Handler, body: dict[str, object]) -> None:
        handler.say(body, f"The otter {HOSTILE} sleeps by the river [1].\x1b]0;owned\x07")

    asked: list[tuple[Callable[..., None], list[str], str]] = [
        (answer, [], "sleeps by the river"), (answer, ["--json"], "sleeps by the river"), (refuse, [], "key"),
        (refuse, ["--json"], "key"),
    ]  # fmt: skip
    for behave, flags, said in asked:
        with chat(behave) as server:
            arguments = ["ask", *ASKING, "--llm", "tiny", "--base-url", server.url, *flags]
            _, arrived = on_terminal(arguments, folder, {"OPENAI_API_KEY": "k"})
            assert server.requests and said.encode() in arrived
            assert not trouble(arrived)


_PRINTS = """
import sys
from semsearch.cli import streams
streams.open_streams()
print(sys.argv[1])
print(sys.argv[1], file=sys.stderr)
for half in (b"caf\\xc3", b"\\xa9 \\x9b \\xe2\\x80", b"\\xae\\n"):
    sys.stdout.buffer.write(half)
    sys.stdout.flush()
import warnings
warnings.warn(sys.argv[1])
raise ValueError(sys.argv[1])
"""


def test_no_print_can_forget_it(tmp_path: Path) -> None:
    """Whatever is printed in whichever way: text, bytes in halves, warnings of libraries, a traceback."""
    pexpect = pytest.importorskip("pexpect")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    text = "שלום שָׁלוֹם \u06cc\u200c\u0646 👩\u200d🚀" + HOSTILE
    arrived = pexpect.spawn(sys.executable, ["-c", _PRINTS, text], env=environment).read()
    assert not trouble(arrived)
    assert "café \\x9b".encode() in arrived and b"ValueError" in arrived and b"UserWarning" in arrived
    assert arrived.count("שלום שָׁלוֹם \u06cc\u200c\u0646 👩\u200d🚀".encode()) >= 4, "letters and joiners stay"


def test_letters_of_all_scripts_stay() -> None:
    text = "مرحبا بالعالم، می\u200cخواهم क\u094d\u200dष שָׁלוֹם 👨\u200d👩\u200d👧 ❤\ufe0f 漢\U000e0100字 ไทย e\u0301\t|\n"
    assert for_terminal(text) == text
    assert for_terminal("a\u202eb\u2066c\x1b[31md\x9be\rf\u2028g\ud800") == "abc[31mde f g\ud800"


# -- pipes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def piped(folder: Path) -> Callable[..., bytes]:
    def run(*arguments: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "semsearch", *arguments], capture_output=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_one_record_is_one_line(piped: Callable[..., bytes], folder: Path) -> None:
    """For programs that end lines as Python's `splitlines` does."""
    ways = ["--mode", "lexical", "--no-fold"]
    count = len(json.loads(piped("search", *ASKING, *ways, "--json"))["results"])
    assert count >= 3
    lines = piped("search", *ASKING, *ways, "--jsonl").decode().splitlines()
    assert len(lines) == count
    records = [json.loads(line) for line in lines]
    assert any(record["path"] == NAME for record in records) and any(
        HOSTILE[-9:] in record["text"] for record in records
    )
    for style in ("vimgrep", "trec"):
        assert len(piped("search", *ASKING, *ways, "--format", style).decode("utf-8", "replace").splitlines()) == count
    paths = piped("search", *ASKING, *ways, "-l").decode("utf-8", "surrogateescape").splitlines()
    escaped = [path for path in paths if path.endswith("\\x0a.md")]
    assert len(paths) == 3 and len(escaped) == 1 and BYTES in paths
    assert "\\x0d" in escaped[0] and "\\xe2\\x80\\xa8" in escaped[0] and "\x1b]0;owned" in escaped[0]
    named = piped("search", *ASKING, *ways, "-l", "-0").rstrip(b"\0").split(b"\0")
    assert set(named) == {os.fsencode(NAME), os.fsencode(BYTES), b"copy.md"}, "as they are"
    rows = list(csv.reader(io.StringIO(piped("search", *ASKING, *ways, "--format", "csv").decode(), newline="")))
    assert len(rows) == count + 1 and NAME in {row[2] for row in rows}
    files = piped("status", "--files", "-i", ".").decode().splitlines()
    assert len(files) == len(json.loads(piped("status", "--files", "--json", "-i", "."))["files"])


def test_text_in_a_pipe_is_as_it_is(piped: Callable[..., bytes]) -> None:
    out = piped("search", *ASKING, "--mode", "lexical", "--no-fold").decode()
    assert "\u202e" in out and "\u2066" in out
    assert "\x1b" not in out, "colours of documents are no text"


# -- cells -----------------------------------------------------------------------------------------------------------

CELLS = ["=HYPERLINK(1)", "+1", "-2+3", "@SUM(A1)", "＝A1", "plain = text"]


@pytest.mark.slow
def test_a_spreadsheet_runs_no_cell(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path / "docs", {f"{number}.md": f"# {cell}\n\n{cell} otter\n" for number, cell in enumerate(CELLS)})
    write(tmp_path / "docs", {"=cmd.txt": "another otter\n", "cr.txt": '-otter, "quoted"\n'})
    index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
    arguments = ["search", "otter", "-i", "docs", "--format", "csv", "-k", "20"]

    def rows(*flags: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(semsearch(*arguments, *flags).out, newline="")))

    safe, raw = rows(), rows("--raw")
    assert len(safe) == len(raw) == 8
    for kept, plain in zip(safe, raw, strict=True):
        for name, cell in plain.items():
            is_formula = cell[:1] in ("=", "+", "-", "@", "＝") and not name.startswith(("rank", "score"))
            assert kept[name] == ("'" + cell if is_formula else cell)
            assert float(kept["score"]) == float(plain["score"])
    assert {row["title"] for row in safe} >= {"'" + CELLS[0], "'" + CELLS[2]}
    assert "'=cmd.txt" in {row["path"] for row in safe}
    queries = '{"_id": "=1+1", "text": "otter"}\n'
    batch = semsearch("search", "--queries", "-", "-i", "docs", "--format", "csv", "-k", "1", stdin=queries)
    assert batch.out.splitlines()[1].startswith("'=1+1,1,")
    for flags in (["--raw"], ["--raw", "--json"], ["--raw", "-l"]):
        done = semsearch("search", "otter", "-i", "docs", *flags)
        assert done.code == 2 and "--format csv" in (done.err if "--json" in flags else one_line_error(done.err))


def test_negative_numbers_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    from semsearch.cli.formats import _no_formula, _write_row

    _write_row([_no_formula(cell) for cell in (-0.12, -3, None, "-0.12", "a\rb", 'say "x"', "\tx")])
    assert capsys.readouterr().out == '-0.12,-3,,\'-0.12,"a\rb","say ""x""",\'\tx\n'
