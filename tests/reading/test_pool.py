"""Reader processes: order, limits, crashes; always the real processes on real files."""

import gzip
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from semsearch import settings
from semsearch.embedding.resolve import resolve
from semsearch.reading.analysis import FilePart, ReadRules, Task
from semsearch.reading.pool import ReaderPool
from semsearch.store.records import Chunking
from tests.support.folders import write
from tests.support.office import one_of_each
from tests.support.pdf import make_pdf


@pytest.fixture(scope="module")
def rules() -> ReadRules:
    source = resolve(settings.DEFAULT_MODEL)
    chunking = Chunking(None, None, None, settings.ANALYSIS_VERSION)
    return ReadRules(source.name, str(source.tokenizer_path()), source.window() or 0, chunking)


def tasks(folder: Path, names: list[str]) -> list[Task]:
    return [Task(str(folder), name, (folder / name).stat().st_size) for name in names]


def results(rules: ReadRules, work: list[Task], count: int = 2) -> list[tuple[str, FilePart]]:
    with ReaderPool(count) as pool:
        return [(os.path.basename(task.path), part) for task, part in pool.run(iter(work), rules)]


def slow_pdf() -> bytes:
    """Half a minute's work for the parser: one page of 2 million characters, each placed alone."""
    return make_pdf(["\n".join("word" for _ in range(400_000))])


def test_results_come_in_the_order_of_the_tasks(rules: ReadRules, tmp_path: Path) -> None:
    documents = one_of_each("The night ferry leaves.")
    write(tmp_path, {**documents, **{f"{number}.txt": f"note {number}" for number in range(300)}})
    names = [*documents, *(f"{number}.txt" for number in range(300))]
    found = results(rules, tasks(tmp_path, names))
    assert [name for name, _ in found] == names
    assert {part.status for _, part in found} == {"indexed"}
    assert all(part.last and part.chunks and len(part.terms) == len(part.chunks) for _, part in found)
    one = results(rules, tasks(tmp_path, names), 1)
    assert [part.chunks for _, part in one] == [part.chunks for _, part in found]


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_stopped_and_the_rest_goes_on(
    rules: ReadRules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_READ_SECONDS", "1")
    write(tmp_path, {"slow.pdf": slow_pdf(), "a.txt": "a", "b.txt": "b"})
    found = results(rules, tasks(tmp_path, ["a.txt", "slow.pdf", "b.txt"]))
    assert [(name, part.status) for name, part in found] == [
        ("a.txt", "indexed"), ("slow.pdf", "stopped"), ("b.txt", "indexed"),
    ]  # fmt: skip
    assert found[1][1].reason.startswith("took more than ")
    assert found[1][1].reason.endswith(" s to read and was stopped")


def test_a_file_that_needs_too_much_memory_fails_alone(
    rules: ReadRules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_READ_MEMORY", "700")
    bomb = gzip.compress(b"tide " * 200_000, 9) * 900
    write(tmp_path, {"bomb.html.gz": gzip.compress(b"<html>x") + bomb, "a.txt": "a", "b.txt": "b"})
    found = results(rules, tasks(tmp_path, ["bomb.html.gz", "a.txt", "b.txt"]), 1)
    assert [part.status for _, part in found] == ["stopped", "indexed", "indexed"]
    assert found[0][1].reason == "needs more than 700 MB of memory to be read"


def children() -> set[psutil.Process]:
    """The processes that this one started, those of earlier tests included."""
    return set(psutil.Process().children())


def test_a_reader_that_crashes_takes_only_its_file_with_it(rules: ReadRules, tmp_path: Path) -> None:
    write(tmp_path, {"slow.pdf": slow_pdf(), "a.txt": "a", "b.txt": "b"})
    before = children()
    with ReaderPool(1) as pool:
        running: Iterator[tuple[Task, FilePart]] = pool.run(
            iter(tasks(tmp_path, ["a.txt", "slow.pdf", "b.txt"])), rules
        )
        assert next(running)[1].status == "indexed"
        (reader,) = children() - before
        reader.send_signal(signal.SIGSEGV)
        rest = [part for _, part in running]
    assert [(part.status, part.reason) for part in rest] == [
        ("stopped", "its reader crashed (SIGSEGV)"), ("indexed", ""),
    ]  # fmt: skip


def test_a_caller_that_stops_leaves_no_process(rules: ReadRules, tmp_path: Path) -> None:
    write(tmp_path, {"slow.pdf": slow_pdf(), "a.txt": "a"})
    before = children()
    with ReaderPool(2) as pool:
        next(pool.run(iter(tasks(tmp_path, ["a.txt", "slow.pdf", "slow.pdf"])), rules))
        readers = children() - before
    assert readers
    assert not any(reader.is_running() and reader.status() != psutil.STATUS_ZOMBIE for reader in readers)


@pytest.mark.slow
def test_a_large_file_comes_in_parts(rules: ReadRules, tmp_path: Path) -> None:
    lines = [f"line number {number} of the log" for number in range(150_000)]
    write(tmp_path, {"big.log": "\n".join(lines), "a.txt": "a"})
    found = results(rules, tasks(tmp_path, ["big.log", "a.txt"]))
    parts = [part for name, part in found if name == "big.log"]
    assert len(parts) > 3
    assert [part.last for part in parts] == [*[False] * (len(parts) - 1), True]
    chunks = [chunk for part in parts for chunk in part.chunks]
    for chunk in chunks[:: len(chunks) // 50]:
        assert chunk.text.split("\n")[0] == lines[(chunk.line_start or 0) - 1]


@pytest.mark.slow
def test_large_files_never_keep_the_one_that_is_due_waiting(rules: ReadRules, tmp_path: Path) -> None:
    large = "some words in a log line\n" * 100_000
    write(tmp_path, {"a.txt": "a", "b.txt": "b", "y.txt": large, "z.txt": large})
    names = ["a.txt", "b.txt", "y.txt", "z.txt"]
    for count in (1, 2):
        found = results(rules, tasks(tmp_path, names), count)
        assert list(dict.fromkeys(name for name, _ in found)) == names


def test_what_is_read_when_the_run_is_over_is_given_up_and_the_rest_is_kept(rules: ReadRules, tmp_path: Path) -> None:
    (tmp_path / "huge.txt.gz").write_bytes(gzip.compress(b"words of many lines\n" * 20_000_000, 1))
    write(tmp_path, {f"{number}.txt": "a note" for number in range(5)})
    work = tasks(tmp_path, ["huge.txt.gz", *(f"{number}.txt" for number in range(5))])
    with ReaderPool(2) as pool:
        seen = False

        def stopping() -> bool:
            return seen

        parts = []
        for task, part in pool.run(iter(work), rules, stopping):
            parts.append((os.path.basename(task.path), part.status))
            seen = True
    assert parts[0] == ("huge.txt.gz", "indexed"), "its first piece"
    assert ("huge.txt.gz", "left") in parts
    assert [one for one in parts if one[0] != "huge.txt.gz"] == [
        (f"{number}.txt", status) for number, (_, status) in enumerate(parts[-5:])
    ]


def test_code_whose_parser_crashes_is_read_without_it(rules: ReadRules, tmp_path: Path) -> None:
    deep = "{[(" * 100_000  # ends the process of the grammar of Java, whose trees may not be so deep
    write(tmp_path, {"Deep.java": f"class Tide {{}}\n{deep}\n", "a.txt": "The night ferry leaves.\n"})
    (_, code), (_, text) = results(rules, tasks(tmp_path, ["Deep.java", "a.txt"]), 1)
    assert (code.status, code.reason, code.metadata) == ("indexed", "", {"symbols": 0})
    assert code.chunks[0].heading == ("Tide",) and text.status == "indexed"
    assert "".join("".join(chunk.text.split()) for chunk in code.chunks).count("{[(") >= 100_000 - len(code.chunks) * 20
