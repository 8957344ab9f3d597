"""The command line as it is promised: names, JSON schemas, exit codes, one-line errors; through the real command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import COMMAND, Command, hear_signals, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.schemas import ERROR, HIT, INDEX, SEARCH
from tests.support.waiting import CEILING_SECONDS, ENDLESS_FILE, wait_until, waits_for_lock


@pytest.fixture
def index(notes: Path, tmp_path: Path) -> Path:
    index_folders([str(notes)], str(tmp_path / "index"), IndexOptions(model="static"))
    return tmp_path / "index"


def test_index_json(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    done = semsearch("index", notes, "--index", tmp_path / "index", "--model", "static", "--json")
    assert done.code == 0, done.err
    jsonschema.validate(done.json, INDEX)


@pytest.mark.slow
def test_search_json(semsearch: Command, index: Path) -> None:
    done = semsearch("search", "when do I prune roses", "-i", index, "--json", "-k", "2")
    assert (done.code, done.err) == (0, "")
    jsonschema.validate(done.json, SEARCH)
    best = done.json["results"][0]
    assert (best["path"], best["rank"], best["line_start"]) == ("garden.md", 1, 1)
    assert len(done.json["results"]) == 2
    empty = semsearch("search", "zebra xylophone", "-i", index, "--mode", "lexical", "--json")
    assert empty.code == 1
    jsonschema.validate(empty.json, SEARCH)
    assert empty.json["results"] == []


def test_search_formats(semsearch: Command, index: Path) -> None:
    query = ("search", "sourdough bread", "-i", index)
    lines = semsearch(*query, "--jsonl").out.splitlines()
    for line in lines:
        jsonschema.validate(json.loads(line), HIT)
    assert semsearch(*query, "--format", "jsonl").out.splitlines()[0] == lines[0]
    paths = semsearch(*query, "-l").out.splitlines()
    assert paths[0].endswith("/kitchen/bread.txt"), "it opens from where one stands"
    assert len(paths) == len(set(paths)) == 5
    assert semsearch(*query, "--format", "paths").out.splitlines() == paths
    text = semsearch(*query, "-k", "1").out
    assert text.startswith("1  ")
    assert "kitchen/bread.txt:1" in text
    assert "\x1b" not in text
    trec = semsearch(*query, "--format", "trec", "--group", "file").out.splitlines()[0].split()
    assert trec[:4] == ["1", "Q0", "kitchen/bread.txt", "1"]
    quiet = semsearch(*query, "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    explained = semsearch(*query, "--explain").out
    assert "alpha 0." in explained and "cosine" in explained and "BM25" in explained
    assert semsearch(*query, "--explain", "--json").json["results"][0]["explain"]["lexical_rank"] == 1


@pytest.mark.slow
def test_modes_fusion_filters_and_groups(semsearch: Command, index: Path) -> None:
    def paths(*flags: str) -> list[str]:
        return [
            hit["path"]
            for hit in semsearch(
                "search", "morning water bread", "-i", index, "--min-score", "0", "--json", *flags
            ).json["results"]
        ]

    assert paths("--mode", "lexical") == ["garden.md", "kitchen/bread.txt"], "by its words, and by its name"
    assert len(paths("--mode", "dense")) == len(paths()) == len(paths("--fusion", "rrf")) == 5
    assert paths("--alpha", "0")[0] == paths("--mode", "lexical")[0]
    assert paths("--alpha", "1", "--no-smoothing") == paths("--mode", "dense")
    assert set(paths("--path", "kitchen/")) == {"kitchen/bread.txt", "kitchen/soup.txt"}
    assert paths("--path", "*.py", "--path", "*.html", "--type", "html") == ["travel.html"]
    assert paths("--type", "md") == paths("--type", "markdown") == ["garden.md"]
    assert paths("--path", "nowhere/") == []
    assert semsearch("search", "water", "-i", index, "--path", "nowhere/").code == 1


@pytest.mark.slow
def test_many_queries(semsearch: Command, index: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "q1", "text": "prune roses"}\n\n{"_id": "q2", "text": "leek soup"}\n')
    lines = [
        json.loads(line)
        for line in semsearch("search", "--queries", queries, "-i", index, "--jsonl", "-k1").out.splitlines()
    ]
    assert [(line["query_id"], line["path"]) for line in lines] == [("q1", "garden.md"), ("q2", "kitchen/soup.txt")]
    plain = semsearch(
        "search",
        "--queries",
        "-",
        "-i",
        index,
        "--format",
        "trec",
        "-k1",
        "--group",
        "file",
        stdin="prune roses\nleek soup\n",
    )
    assert [line.split()[0:3:2] for line in plain.out.splitlines()] == [["1", "garden.md"], ["2", "kitchen/soup.txt"]]
    bad = semsearch("search", "--queries", "-", "-i", index, stdin='{"_id": 1}\n')
    assert bad.code == 2
    assert "standard input, line 1: not a query object" in one_line_error(bad.err)
    assert semsearch("search", "--queries", "-", "-i", index, stdin="\n").code == 2
    assert semsearch("search", "--queries", tmp_path / "none", "-i", index).code == 2


def test_status(semsearch: Command, index: Path, notes: Path) -> None:
    done = semsearch("status", "-i", index, "--json")
    assert done.code == 0
    status = done.json
    assert status["schema"] == "semsearch.status/1"
    assert status["files"] == {"indexed": 5, "skipped": 0, "failed": 0}
    assert status["roots"] == [{"path": str(notes), "exists": True, "readable": True}]
    assert status["chunks"]["pending"] == 0
    assert status["model"]["name"] == "static"
    assert "5 indexed" in semsearch("status", "-i", index).out
    assert semsearch("status", "-i", index.parent / "none").code == 2


@pytest.mark.slow
def test_the_nearest_index_upwards_is_searched_and_search_creates_nothing(semsearch: Command, notes: Path) -> None:
    assert semsearch("index", ".", "--model", "static", cwd=notes).code == 0
    before = {path: path.stat().st_mtime_ns for path in notes.rglob("*")}
    assert "soup.txt" in semsearch("search", "leek soup", cwd=notes / "kitchen").out
    assert semsearch("status", cwd=notes / "kitchen").code == 0
    assert {path: path.stat().st_mtime_ns for path in notes.rglob("*")} == before
    assert semsearch("search", "leek soup", "-i", notes).code == 0
    assert semsearch("search", "leek soup", env={"SEMSEARCH_INDEX": str(notes)}).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "x", "-i", "none"], "no index at"),
        (["search", "x"], "no .semsearch in"),
        (["search", "", "-i", "INDEX"], "the query is empty"),
        (["search", "  \n", "-i", "INDEX"], "the query is empty"),
        (["ask", "", "-i", "INDEX"], "the question is empty (say what you want to know: semsearch ask"),
        (["search", "-i", "INDEX"], "give one of QUERY, --queries FILE and --like FILE:LINE"),
        (["search", "x", "--like", "f:3", "-i", "INDEX"], "give only one of QUERY, --queries FILE and --like"),
        (["index", "NOTES", "-0"], "-0 is about the names of --files-from"),
        (["search", "x", "-i", "INDEX", "-k", "0"], "-k 0 is out of range"),
        (["search", "x", "-i", "INDEX", "--mode", "psychic"], "--mode psychic is not known"),
        (["search", "x", "-i", "INDEX", "--alpha", "2"], "--alpha 2.0 is out of range"),
        (["search", "x", "-i", "INDEX", "--type", "zzz"], "no document type called zzz"),
        (["search", "x", "-i", "INDEX", "--format", "xml"], "--format xml is not known"),
        (["search", "x", "-i", "INDEX", "--format", "text", "-l"], "more than one output format"),
        (["search", "x", "--frobnicate"], "No such option"),
        (["index", "none"], "no such folder: none"),
        (["index", "FILE"], "not a folder, but a file: FILE (index its folder: semsearch index"),
        (["index", "FILE", "-i", "INDEX"], "not a folder, but a file: FILE (index its folder: semsearch index"),
        (["index", "--index", "none"], "no index at"),
        (["index", "NOTES", "--model", "no-such-model"], "no model called no-such-model"),
        (["index", "NOTES", "--tokenizer", "nonsense"], "no tokenizer called nonsense"),
        (["index", "NOTES", "--max-file-size", "huge"], "--max-file-size huge is not a size"),
        (["index", "NOTES", "--chunk-size", "3"], "--chunk-size 3 is too small"),
        (["frobnicate"], "No such command"),
    ],
)
def test_errors_are_one_line_with_a_way_out_and_exit_2(
    semsearch: Command, index: Path, notes: Path, arguments: list[str], message: str
) -> None:
    file = next(str(path) for path in sorted(notes.rglob("*")) if path.is_file())
    paths = {"INDEX": str(index), "NOTES": str(notes), "FILE": file}
    named = [paths.get(argument, argument) for argument in arguments]
    message = message.replace("FILE", file) if "FILE" in arguments else message
    done = semsearch(*named)
    assert (done.code, done.out) == (2, "")
    line = one_line_error(done.err)
    assert message in line
    assert line.endswith(")"), "no way out is named"
    if "--json" not in named:
        done = semsearch(*named, "--json")
        assert (done.code, done.out) == (2, "")
        jsonschema.validate(json.loads(done.err), ERROR)
    assert not (notes / ".semsearch").exists()


@pytest.mark.slow
def test_index_exit_codes(semsearch: Command, notes: Path, index: Path) -> None:
    write(notes, {"broken.pdf": b"%PDF-1.4 no more"})
    done = semsearch("index", notes, "-i", index)
    assert done.code == 0
    assert "failed broken.pdf: damaged PDF" in done.err
    assert "1 failed" in done.out
    done = semsearch("index", notes, "-i", index, "--strict", "--json")
    assert (done.code, done.json["files"]["failed"]) == (3, 1)
    jsonschema.validate(done.json, INDEX)
    quiet = semsearch("index", notes, "-i", index, "-q")
    assert (quiet.code, quiet.out) == (0, "")
    dry = semsearch("index", notes, "-i", index, "--dry-run", "--json")
    jsonschema.validate(dry.json, INDEX)


@pytest.mark.slow
def test_an_empty_folder_is_an_empty_index(semsearch: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = semsearch("index", tmp_path / "empty", "--json")
    assert (done.code, done.json["chunks"]["total"]) == (0, 0)
    for mode in ("hybrid", "lexical"):
        done = semsearch("search", "anything", "--mode", mode, "--json", "-i", tmp_path / "empty")
        assert (done.code, done.json["results"]) == (1, [])
    assert semsearch("status", "-i", tmp_path / "empty").code == 0


@pytest.mark.slow
def test_another_writer_holds_the_lock(semsearch: Command, notes: Path, index: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys, time; from semsearch.store.local.writer import IndexWriter\n"
            f"with IndexWriter({str(index)!r}): print('held', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    try:
        assert holder.stdout is not None and holder.stdin is not None
        holder.stdout.readline()
        done = semsearch("index", notes, "-i", index)
        assert done.code == 75
        assert f"process {holder.pid}" in one_line_error(done.err)
        assert json.loads(semsearch("index", notes, "-i", index, "--json").err)["error"]["code"] == "locked"
        assert semsearch("search", "roses", "-i", index).code == 0
        waiting = subprocess.Popen(
            [sys.executable, "-m", "semsearch", "index", str(notes), "-i", str(index), "--wait", "--json"],
            stdout=subprocess.PIPE, cwd=PROJECT,
        )  # fmt: skip
        if os.path.exists("/proc/locks"):
            wait_until(lambda: waits_for_lock(waiting), waiting)
    finally:
        holder.communicate(b"")
    out, _ = waiting.communicate(timeout=CEILING_SECONDS)
    assert waiting.returncode == 0
    jsonschema.validate(json.loads(out), INDEX)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="tells a file by its descriptor")
def test_interrupt(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path / "big", {f"{number}.txt": f"text number {number} about pumps\n" for number in range(300)})
    write(tmp_path / "big", {"endless.txt": "text without end"})
    write(tmp_path / "hook", {"sitecustomize.py": ENDLESS_FILE})
    process = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "index", "big", "-i", "big.index", "--model", "static"],
        stderr=subprocess.PIPE, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'hook'}:{PROJECT}", "READING": str(tmp_path / "reading")},
        # A shell starts what runs in its background, pytest perhaps, with this signal ignored.
        preexec_fn=hear_signals,
    )  # fmt: skip
    wait_until((tmp_path / "reading").exists, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=CEILING_SECONDS)
    assert process.returncode == 130, err
    assert "interrupted" in one_line_error(err.decode())
    assert semsearch("index", "big", "-i", "big.index", "--model", "static", "--json").json["chunks"]["total"] == 301


@pytest.mark.slow
def test_a_closed_pipe(semsearch: Command, tmp_path: Path) -> None:
    """What is printed is more than a pipe holds, so that it cannot be written before its reader has gone."""
    write(tmp_path / "big", {f"{number}.txt": f"text number {number} about pumps\n" * 30 for number in range(600)})
    assert semsearch("index", "big", "-i", "big.index", "--model", "static").code == 0
    command = "search pumps -i big.index -k 600 --no-fold"
    assert len(semsearch(*command.split()).out) > 2 * 65_536
    closed = subprocess.run(
        ["bash", "-c", f"{COMMAND} {command} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert (closed.returncode, closed.stderr) == (141, b"")


def test_document_text_is_never_markup_and_never_drives_the_terminal(semsearch: Command, tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    write(
        tmp_path / "docs",
        {"[id].txt": "A pump [red]with[/red] [/items] brackets \x1b]0;owned\x07 \x1b[2J and ] more.\n"},
    )
    assert semsearch("index", "docs", "--model", "static").code == 0
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", "COLUMNS": "100"}
    output = pexpect.run(
        f"{sys.executable} -m semsearch search pump -i docs", cwd=str(tmp_path), env=environment
    ).decode()
    assert "[red]with[/red] [/items] brackets" in output.replace("\x1b[1;33m", "").replace("\x1b[0m", "")
    assert "[id].txt" in output
    assert "\x1b]0;" not in output and "\x1b[2J" not in output
    assert "\x1b[1;33mpump" in output
    plain = pexpect.run(
        f"{sys.executable} -m semsearch search pump -i docs", cwd=str(tmp_path), env={**environment, "NO_COLOR": "1"}
    ).decode()
    assert "\x1b[1;33m" not in plain and "\x1b[36m" not in plain


@pytest.mark.slow
def test_damaged_and_foreign_indexes(semsearch: Command, index: Path, notes: Path) -> None:
    segment = next((index / "segments").glob("vec-*")) / "index.faiss"
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2])
    done = semsearch("search", "roses", "-i", index)
    assert done.code == 2
    assert "is damaged" in one_line_error(done.err) and "semsearch verify --repair" in done.err
    assert semsearch("search", "roses", "-i", index, "--mode", "lexical").code == 0
    segment.unlink()
    assert "missing" in one_line_error(semsearch("search", "roses", "-i", index).err)
    assert semsearch("index", notes, "-i", index, "--rebuild").code == 0
    assert semsearch("search", "roses", "-i", index).code == 0

    import sqlite3

    connection = sqlite3.connect(index / "catalog.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for command in (["search", "roses"], ["status"], ["index", str(notes)]):
        done = semsearch(*command, "-i", index)
        assert done.code == 2
        assert "written by a newer semsearch (format 99" in one_line_error(done.err)
    (index / "catalog.db").write_bytes(b"not a database" * 100)
    for command in (["search", "roses"], ["status"], ["index", str(notes)]):
        done = semsearch(*command, "-i", index)
        assert done.code == 2
        assert "file is not a database" in one_line_error(done.err)


@pytest.mark.slow
def test_an_index_of_another_model_names_the_command_to_run(semsearch: Command, index: Path, tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(index / "catalog.db")
    value = json.loads(connection.execute("SELECT value FROM settings WHERE key = 'model'").fetchone()[0])
    value["fingerprint"] = "0" * 64
    (index / "catalog.crc").unlink()
    connection.execute("UPDATE settings SET value = ? WHERE key = 'model'", (json.dumps(value),))
    connection.commit()
    connection.close()
    done = semsearch("search", "roses", "-i", index)
    assert done.code == 2
    assert "the index was made with static 000000000000" in one_line_error(done.err)
    assert "semsearch index --rebuild --model static" in done.err


def test_an_index_that_cannot_be_written(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    done = semsearch("index", notes, "-i", "/proc/semsearch")
    assert done.code == 2
    assert "cannot write the index /proc/semsearch" in one_line_error(done.err)
    assert "--index PATH" in done.err


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_no_space_left(semsearch: Command, notes: Path, index: Path) -> None:
    limited = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; trap '' XFSZ; exec {COMMAND} index {notes} -i new --model static"],
        capture_output=True, text=True, cwd=index.parent, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert limited.returncode == 2, limited.stderr
    one_line_error(limited.stderr)
    full = subprocess.run(
        ["bash", "-c", f"{COMMAND} search roses -i {index} > /dev/full"],
        capture_output=True, text=True, cwd=index.parent, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert full.returncode == 2
    assert "No space left" in one_line_error(full.stderr)


def test_lexical_search_and_status_load_no_model_runtime(semsearch: Command, index: Path) -> None:
    code = (
        "import sys; from semsearch.cli.app import run; code = run({!r});"
        "bad = {{'faiss', 'onnxruntime', 'torch', 'transformers', 'sentence_transformers'}} & set(sys.modules);"
        "assert not bad, bad; sys.exit(code)"
    )
    for command in (["search", "roses", "--mode", "lexical", "-i", str(index)], ["status", "-i", str(index)]):
        done = subprocess.run([sys.executable, "-c", code.format(command)], cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_unchanged_answer_is_that_of_the_full_command(semsearch: Command, notes: Path, index: Path) -> None:
    write(notes, {"broken.pdf": b"%PDF-1.4 no more", "x.bin": b"\0\1"})
    semsearch("index", notes, "-i", index)
    quick = semsearch("index", notes, "-i", index, "--json").json
    full = semsearch("index", notes, "-i", index, "--json", "--no-follow").json
    for report in (quick, full):
        jsonschema.validate(report, INDEX)
        report.pop("seconds")
    assert quick == full
    assert (
        semsearch("index", "-i", index).out.split("(")[0]
        == semsearch("index", "--no-follow", "-i", index).out.split("(")[0]
    )


def test_a_group_of_commands_alone_prints_its_help(semsearch: Command) -> None:
    for command in ([], ["bench"]):
        done = semsearch(*command)
        assert (done.code, done.err) == (0, "")
        assert done.out == semsearch(*command, "--help").out


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_catalog_is_told_by_every_command(
    semsearch: Command, notes: Path, tmp_path: Path, kind: str
) -> None:
    catalog = tmp_path / "docs" / ".semsearch" / "catalog.db"
    catalog.parent.mkdir(parents=True)
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to("nothing")}[kind](catalog)
    for command in (["search", "x"], ["status"], ["verify"], ["why", "x", "y"], ["index"]):
        for flags in ([], ["-i", "."], ["-i", ".semsearch"]):
            done = semsearch(*command, *flags, cwd=tmp_path / "docs")
            message = one_line_error(done.err)
            assert f"{catalog} is no file (remove the index and make it anew: rm -r" in message or (
                "index" in command and "catalog.db is a link" in message
            ), (command, flags)


def test_help_and_version(semsearch: Command) -> None:
    for command in ([], ["index"], ["search"], ["status"]):
        done = semsearch(*command, "--help")
        assert done.code == 0
        assert "Usage:" in done.out
    assert "[DIR]..." in semsearch("index", "-h").out
    assert semsearch("--version").out.startswith("semsearch 0.")


@pytest.mark.slow
def test_streams_that_are_closed(semsearch: Command, index: Path, notes: Path) -> None:
    write(notes, {})
    for command in (f"index {notes} -i {index}", f"search roses -i {index}"):
        semsearch("index", notes, "-i", index)
        for redirect, code in (("2>&-", 0), ("| true", 0)):
            done = subprocess.run(
                ["bash", "-c", f"{COMMAND} {command} {redirect}; exit ${{PIPESTATUS[0]}}"],
                capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)},
            )  # fmt: skip
            assert done.returncode in ((0, 141) if "|" in redirect else (code,)), (command, redirect, done.stderr)
            assert done.stderr == ""


def test_a_working_folder_that_is_gone(semsearch: Command, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"mkdir gone; cd gone; rmdir ../gone; {COMMAND} index x"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "the working folder is gone (go to a folder that is there: cd ~)" in one_line_error(done.stderr)


@pytest.mark.slow
def test_arguments_that_are_empty_or_no_text(semsearch: Command, index: Path, notes: Path) -> None:
    assert "empty" in one_line_error(semsearch("index", "").err)
    assert "empty" in one_line_error(semsearch("index", notes, "-i", "").err)
    assert "not a glob: !" in one_line_error(semsearch("index", notes, "--exclude", "!").err)
    assert "not a glob: !" in one_line_error(semsearch("search", "roses", "-i", index, "--path", "!").err)
    assert "not a size" in one_line_error(semsearch("index", notes, "--max-file-size", "9" * 400).err)
    assert semsearch("search", os.fsdecode(b"\xff roses"), "-i", index).code == 0
    assert semsearch("search", "--queries", "-", "--jsonl", "-i", index, stdin='{"text": "\\ud800 roses"}\n').code == 0
