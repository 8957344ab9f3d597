"""The short forms of the trials of `__main__.py` beside this file, and what lets an index be left to itself."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.errors import IndexDamagedError, ModelError, SemsearchError
from semsearch.indexing import IndexOptions, Progress, index_folders
from semsearch.maintenance.verification import verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.schema import SCHEMA_VERSION
from semsearch.store.local.writer import IndexWriter
from tests.support import adversarial, copies, corruption, kills, signals
from tests.support import concurrent_readers as readers
from tests.support.commands import Command
from tests.support.folders import PROJECT, write
from tests.support.made_texts import texts
from tests.support.waiting import CEILING_SECONDS, wait_until, wait_until_unchanged

FAST = IndexOptions(model="static")


@pytest.mark.slow
def test_kills_leave_a_committed_state() -> None:
    outcomes = kills.run(9, 7, kills.SCENARIOS[1:4])
    assert set(outcomes) == {"good"} and outcomes["good"] == 9


@pytest.mark.slow
def test_a_changed_byte_gives_a_right_answer_or_a_clear_error() -> None:
    assert set(corruption.run(12, 3)) == {""}


# In processes of their own, which fork: that of the tests has threads.
@pytest.mark.slow
@pytest.mark.parametrize(
    "trial",
    [
        ("mutations", "--mutations", "19"),
        ("odd_cells", "--commands", "60"),
        pytest.param(
            ("disk_errors", "--every", "60", "--scenario", "merge", "--seed", "30"),
            marks=pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
        ),
        pytest.param(
            ("disk_errors", "--every", "30", "--scenario", "repair"),
            marks=pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
        ),
    ],
    ids=lambda trial: "-".join(trial),
)
def test_trials_in_forked_children_find_nothing(trial: tuple[str, ...]) -> None:
    name, *options = trial
    done = subprocess.run(
        [sys.executable, "-m", f"tests.support.{name}", *options],
        capture_output=True, text=True, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 0 and ", 0 failures" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_readers_beside_a_writer_see_committed_states() -> None:
    outcomes = readers.run(5, 2, searches=20, rounds=3)
    assert not readers.failures(outcomes), outcomes


@pytest.mark.slow
def test_copies_beside_a_writer_are_whole() -> None:
    outcomes = copies.run(6, 3)
    assert not copies.failures(outcomes), outcomes


@pytest.mark.slow
def test_signals_leave_nothing() -> None:
    assert not signals.failures(signals.run(26, 5))


@pytest.mark.slow
def test_no_text_that_is_made_to_take_long_does() -> None:
    """A sixteenth of the length for a sixteenth of the time is as good, where time grows with length alone."""
    assert not adversarial.run(400, 5, adversarial.SIZE // 16)


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_that_ends_early_is_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path / "folder", texts(60, 1))  # type: ignore[arg-type]
    names = sorted((tmp_path / "folder").iterdir())
    for age, path in enumerate(names):
        os.utime(path, (time.time() - 5000 - age, time.time() - 5000 - age))
    read: list[int] = []
    report = index_folders(
        [str(tmp_path / "folder")], None, IndexOptions(model="static", newest_first=True),
        Progress(read=read.append, stopping=lambda: len(read) == 20),
    )  # fmt: skip
    index = str(tmp_path / "folder" / ".semsearch")
    assert report.files["added"] == 20 and report.left == 40 and report.chunks["pending"] == 20
    assert "40 files left to the next run" in report.summary()
    read = Catalog.read(index, lambda c: {os.fsdecode(r[0]) for r in c.connection.execute("SELECT path FROM files")})
    assert read == {path.name for path in names[:20]}, "the newest come first"
    assert not verify(index, False, False, lambda message: None).problems
    report = index_folders([], index, IndexOptions())
    assert report.files["added"] == 40 and report.chunks["pending"] == 0 and report.left == 0


def test_encoding_that_ends_early_is_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path / "folder", texts(200, 1))  # type: ignore[arg-type]
    index_folders([str(tmp_path / "folder")], None, IndexOptions(model="static", embed=False))
    index = str(tmp_path / "folder" / ".semsearch")
    asked = iter([True, True])
    report = index_folders([], index, IndexOptions(), Progress(stopping=lambda: next(asked, True)))
    assert report.chunks["encoded"] == 64 and report.chunks["pending"] == 136
    report = index_folders([], index, IndexOptions(max_seconds=60))
    assert report.chunks["encoded"] == 136 and report.chunks["pending"] == 0


@pytest.mark.slow
def test_the_flags_of_limits(semsearch: Command, notes: Path) -> None:
    done = semsearch("index", notes, "--model", "static", "--max-time", "0.001s", "--newest-first", "--json")
    assert done.code == 0 and done.json["left"] == 4 and done.json["stopped"]
    done = semsearch("index", notes, "--max-time", "2m", "--json")
    assert done.code == 0 and "left" not in done.json and done.json["files"]["added"] == 4
    for text in ("soon", "0", "-3m"):
        assert semsearch("index", notes, f"--max-time={text}").code == 2
    assert "whole folders" in semsearch("index", notes, "--watch", "--dry-run").err


# -- watching --------------------------------------------------------------------------------------------------------


@pytest.fixture
def watching(notes: Path) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "index", str(notes), "--model", "static", "--watch", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_what_changes_is_indexed_while_watched(watching: "subprocess.Popen[str]", notes: Path) -> None:
    def next_run() -> dict[str, int]:
        assert watching.stdout is not None
        line = watching.stdout.readline()
        assert line, watching.stderr and watching.stderr.read()
        found: dict[str, int] = json.loads(line)["files"]
        return found

    assert next_run()["added"] == 5
    # The second look finds nothing and says nothing; when it has been, a change is found by its event alone.
    wait_until_unchanged(lambda: (notes / ".semsearch" / "lock").stat().st_mtime_ns, 3)
    (notes / "tides.txt").write_text("The tide table for May.\n")
    assert next_run()["added"] == 1
    # What an editor does: a file beside, a rename over, a backup that goes again.
    (notes / ".tides.txt.swp").write_text("x")
    (notes / "tides.txt~").write_text("The tide table for June.\n")
    (notes / "tides.txt~").rename(notes / "tides.txt")
    (notes / ".tides.txt.swp").unlink()
    assert next_run()["changed"] == 1
    for number in range(300):
        (notes / f"burst{number}.txt").write_text(f"Number {number} of many.\n")
    added = 0
    while added < 300:
        added += next_run()["added"]
    (notes / "kitchen").rename(notes / "cellar")
    assert next_run()["renamed"] == 2
    watching.send_signal(signal.SIGTERM)
    watching.communicate(timeout=CEILING_SECONDS)
    assert watching.returncode == 130
    assert not verify(str(notes / ".semsearch"), False, False, lambda message: None).problems


def is_complete(index: Path, files: int) -> bool:
    if not (index / "catalog.db").exists():
        return False
    counts = Catalog.read(str(index), lambda catalog: catalog.counts())
    return bool(counts["indexed"] == files and not counts["pending"])


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("--max-time", "2s"), ("-q",)])
def test_a_watch_goes_on_by_itself_and_then_rests(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """What a time limit left needs no event; and its own writes, by whatever path, are none."""
    folder, link = tmp_path / "folder", tmp_path / "link"
    write(folder, texts(2000, 1))  # type: ignore[arg-type]
    link.symlink_to(folder)
    index = folder / ".semsearch"
    command = [sys.executable, "-m", "semsearch", "index", str(folder), "-i", str(link / ".semsearch"), "--watch"]
    with subprocess.Popen([*command, "--model", "static", *flags], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: is_complete(index, 2000), process)
            # It rests when no run stamps the lock any more: the last looks are over.
            wait_until_unchanged(lambda: (index / "lock").stat().st_mtime_ns, 4)
            assert process.poll() is None and is_complete(index, 2000)
        finally:
            process.terminate()


# -- versions --------------------------------------------------------------------------------------------------------


def test_an_index_of_the_version_before_is_read_and_brought_up_to_date(notes: Path) -> None:
    index_folders([str(notes)], None, FAST)
    index = notes / ".semsearch"
    connection = sqlite3.connect(index / "catalog.db")
    connection.execute("DROP INDEX files_stamps")
    connection.execute("ALTER TABLE chunks DROP COLUMN line_breaks")
    connection.execute("DROP TABLE parts")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    (index / "catalog.crc").unlink()
    with Searcher(str(index)) as searcher:
        before = [hit.path for hit in searcher.search("roses", SearchOptions(min_score=0)).hits]
    assert Catalog.read(str(index), lambda catalog: catalog.version) == 1
    index_folders([], str(index), IndexOptions())
    assert Catalog.read(str(index), lambda catalog: catalog.version) == SCHEMA_VERSION
    with Searcher(str(index)) as searcher:
        assert [hit.path for hit in searcher.search("roses", SearchOptions(min_score=0)).hits] == before
    assert not verify(str(index), False, False, lambda message: None).problems


# -- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_clock_that_goes_back_misses_no_change(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_folders([str(notes)], None, FAST)
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 10**15)
    monkeypatch.setattr(time, "time", lambda: (now - 10**15) / 1e9)
    (notes / "garden.md").write_text("# Garden notes\n\nNothing is left of it.\n")
    assert index_folders([], str(notes / ".semsearch"), IndexOptions()).files["changed"] == 1
    # Its time stamp is later than the clock: nothing is proven by it, the content decides.
    assert index_folders([], str(notes / ".semsearch"), IndexOptions()).files["changed"] == 0


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_commit(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: what is written beyond fails as on a full one."""
    write(tmp_path / "folder", texts(200, 1))  # type: ignore[arg-type]
    index = tmp_path / "index"
    index_folders([str(tmp_path / "folder")], str(index), FAST)
    before = kills.answers(index)
    write(tmp_path / "folder", texts(2000, 2))  # type: ignore[arg-type]
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000));"
        "from semsearch.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "index", "-i", str(index), "-q"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert kills.answers(index) == before
    assert not verify(str(index), False, False, lambda message: None).problems
    index_folders([], str(index), IndexOptions())
    new = tmp_path / "new"
    index_folders([str(tmp_path / "folder")], str(new), FAST)
    assert kills.answers(index) == kills.answers(new)


# A disk that cannot read one file back, in every process of a run.
_BAD_SECTOR = """
import errno, hashlib, os
digest = hashlib.file_digest
def file_digest(file, *arguments):
    if os.readlink(f"/proc/self/fd/{file.fileno()}").endswith("/bad.txt"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return digest(file, *arguments)
hashlib.file_digest = file_digest
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="tells a file by its descriptor")
def test_a_file_the_disk_cannot_read_back_stays_as_it_was_indexed(
    semsearch: Command, notes: Path, tmp_path: Path
) -> None:
    write(notes, {"bad.txt": "The lighthouse keeper sleeps by day.\n"})
    semsearch("index", notes, "--model", "static")
    (notes / "bad.txt").write_text("The lighthouse keeper sleeps at night.\n")
    (notes / "good.txt").write_text("The lighthouse was painted.\n")
    (tmp_path / "sitecustomize.py").write_text(_BAD_SECTOR)
    done = semsearch("index", notes, env={"PYTHONPATH": f"{tmp_path}:{PROJECT}"})
    assert done.code == 0 and "1 added" in done.out
    assert "bad.txt: cannot be read: Input/output error; what was indexed of it is kept" in done.err
    found = semsearch("search", "lighthouse", "-i", notes, "--mode", "lexical", "--json").json["results"]
    assert {hit["path"] for hit in found} == {"bad.txt", "good.txt"} and any("by day" in hit["text"] for hit in found)
    assert semsearch("index", notes, "--json").json["files"]["changed"] == 1


# -- an index given by somebody else ---------------------------------------------------------------------------------


def test_an_index_that_names_a_model_folder_runs_none_of_its_code(notes: Path, tmp_path: Path) -> None:
    index_folders([str(notes)], None, FAST)
    index = notes / ".semsearch"
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "code.Evil"}]')
    (evil / "config.json").write_text("{}")
    (evil / "model.safetensors").write_bytes(b"")
    (evil / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with IndexWriter(str(index)) as writer, writer.commit():
        record = writer.catalog.setting("model")
        writer.catalog.set_setting("model", {**record, "name": str(evil), "fingerprint": "a" * 64})
        writer.catalog.set_setting("model_name", str(evil))
    with pytest.raises(ModelError, match="was not prepared on this machine"), Searcher(str(index)) as searcher:
        searcher.search("roses")
    (notes / "new.txt").write_text("Something to encode.\n")
    with pytest.raises(SemsearchError, match="was not prepared on this machine"):
        index_folders([], str(index), IndexOptions())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["lock", "segments", "catalog.db", "CACHEDIR.TAG", "catalog.crc.new"])
def test_links_in_an_index_lead_nowhere(notes: Path, tmp_path: Path, name: str) -> None:
    index_folders([str(notes)], None, FAST)
    index = notes / ".semsearch"
    outside = tmp_path / "outside"
    if name == "segments":
        shutil.move(index / name, outside)
        (outside / "lex-000099").mkdir()
    else:
        outside.write_text("precious")
        (index / name).unlink(missing_ok=True)
    (index / name).symlink_to(outside)
    (notes / "new.txt").write_text("Something new.\n")
    try:
        index_folders([], str(index), IndexOptions())
    except (IndexDamagedError, OSError):
        assert name in ("lock", "segments", "catalog.db")
    assert (outside / "lex-000099").is_dir() if name == "segments" else outside.read_text() == "precious"


def test_triggers_of_an_index_are_no_way_out(notes: Path, tmp_path: Path) -> None:
    """What SQL an index brings along may damage that index, and nothing else."""
    index_folders([str(notes)], None, FAST)
    index = notes / ".semsearch"
    connection = sqlite3.connect(index / "catalog.db")
    connection.execute(
        "CREATE TRIGGER evil AFTER INSERT ON runs BEGIN SELECT load_extension('/tmp/evil'), writefile('x', 'y'); END"
    )
    connection.close()
    (index / "catalog.crc").unlink()
    (notes / "new.txt").write_text("Something new.\n")
    with pytest.raises((SemsearchError, sqlite3.Error)):
        index_folders([], str(index), IndexOptions())
    assert not (tmp_path / "x").exists() and not Path("x").exists()


@pytest.mark.slow
def test_nobody_is_told_of_its_use(notes: Path, semsearch: Command, tmp_path: Path) -> None:
    """ONNX Runtime keeps a device id and a queue of events to send in the home folder, unless it is told not to."""
    home = tmp_path / "home"
    home.mkdir()
    # What would keep it from that anyway.
    environment = {
        "HOME": str(home),
        "XDG_CACHE_HOME": "",
        "CI": "",
        "GITHUB_ACTIONS": "",
        "ORT_RUNNING_UNIT_TESTS": "",
    }
    assert semsearch("index", notes, env=environment).code == 0
    assert semsearch("search", "roses", "-i", notes, env=environment).code == 0
    assert not [path for path in home.rglob("*") if "microsoft" in str(path).lower()]


@pytest.mark.slow
def test_search_writes_nothing(notes: Path, semsearch: Command) -> None:
    index_folders([str(notes)], None, FAST)
    index = notes / ".semsearch"
    before = {path: path.stat().st_mtime_ns for path in [index, *index.rglob("*")]}
    for arguments in (
        ("search", "roses"),
        ("status",),
        ("verify",),
        ("ask", "when are roses pruned"),
        ("why", "x", "y"),
    ):
        semsearch(*arguments, "-i", index)
    assert {path: path.stat().st_mtime_ns for path in [index, *index.rglob("*")]} == before
