"""Too little memory, too few threads or open files: told as such, and never as damage or a defect."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.folders import PROJECT, write

COMMANDS = {
    "index": ["index", "."],
    "search": ["search", "emeralds"],
    "status": ["status"],
    "verify": ["verify"],
    "ask": ["ask", "which stones are green"],
    "why": ["why", "emeralds", "a.txt"],
    "bench": ["bench", "vectors"],
}
KEY = "SEMSEARCH_QUERY_CACHE"
ENOUGH_TO_MEASURE = "".join(
    f"The {name} of the museum was found by miners in the mountains of {place} more than {age} years ago.\n\n"
    for age, (name, place) in enumerate([("topaz", "Saxony"), ("beryl", "Galicia"), ("opal", "Slovakia")], 100)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    write(folder, {"a.txt": "Emeralds are green.\n", "b.txt": "Rubies are red.\n", "c.txt": ENOUGH_TO_MEASURE})
    index_folders([str(folder)], None, IndexOptions(model="static"))
    write(folder, {"new.txt": "Opals shimmer.\n"})
    return folder


def told(folder: Path, limit: str, command: list[str], prefix: list[str] | None = None) -> tuple[int, str]:
    """Exit code and message of `command` under `ulimit` with `limit`."""
    script = f'ulimit {limit}; exec "$@"'
    done = subprocess.run(
        [*(prefix or []), "bash", "-c", script, "bash", sys.executable, "-m", "semsearch", *command],
        capture_output=True, text=True, cwd=folder, timeout=240,
        env={**os.environ, "PYTHONPATH": str(PROJECT), KEY: "0"},
    )  # fmt: skip
    return done.returncode, done.stderr


def check(code: int, err: str, resource: str) -> None:
    """The command worked, or one line names the `resource`."""
    for word in ("Traceback", "defect", "damaged", "repair"):
        assert word not in err, err
    assert code in (0, 2), (code, err)
    if code == 2:
        assert resource in err.splitlines()[-1] and "ulimit" in err.splitlines()[-1], err


@pytest.mark.slow
@pytest.mark.parametrize("files", [5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 24, 32, 64])
@pytest.mark.parametrize("name", COMMANDS)
def test_few_open_files(folder: Path, name: str, files: int) -> None:
    check(*told(folder, f"-n {files}", COMMANDS[name]), "too many open files")


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [150, 200, 300, 400, 500, 600, 650, 700, 800, 1000, 1500, 2000, 3000, 4000])
@pytest.mark.parametrize("name", COMMANDS)
def test_little_memory(folder: Path, name: str, megabytes: int) -> None:
    check(*told(folder, f"-v {megabytes * 1024}", COMMANDS[name]), "not enough memory")


@pytest.mark.parametrize(
    ("name", "limit", "resource"),
    [
        ("search", "-n 8", "too many open files"),
        ("index", "-v 300000", "not enough memory"),
        ("bench", "-v 800000", "not enough memory"),
    ],
)
def test_a_limit_is_named(folder: Path, name: str, limit: str, resource: str) -> None:
    code, err = told(folder, limit, COMMANDS[name])
    assert code == 2
    check(code, err, resource)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("kilobytes", [1, 20, 60, 100])
def test_a_limit_on_file_sizes_is_named(folder: Path, kilobytes: int) -> None:
    """SQLite only says that input or output failed."""
    (folder / "long.txt").write_text("".join(f"Gem {number}, word{number}.\n" for number in range(20_000)))
    code, err = told(folder, f"-f {kilobytes}", ["index", ".", "-i", "new.index", "--model", "static"])
    assert code == 2 and len(err.splitlines()) == 1
    assert f"{folder}/new.index: " in err and "raise the limit on file sizes (ulimit -f)" in err
    assert "verify" not in err, "there is nothing yet to verify"


def test_a_reader_that_cannot_start_says_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    """The model of languages is unpacked into a temporary file, once."""
    code, err = told(folder, f"-f 5000; export SEMSEARCH_CACHE='{tmp_path}'", ["index", "."])
    assert code == 2 and len(err.splitlines()) == 1
    assert f"a reader process cannot start: {tempfile.gettempdir()}: File too large" in err
    assert "raise the limit on file sizes (ulimit -f)" in err


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="root alone can become another user")
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 8, 12])
@pytest.mark.parametrize("name", COMMANDS)
def test_few_threads(folder: Path, name: str, processes: int) -> None:
    # A user whom the limit holds, and who may still open what is root's.
    allowed = "-all,+dac_override,+dac_read_search"
    prefix = ["setpriv", "--reuid=61234", "--clear-groups", f"--inh-caps={allowed}", f"--ambient-caps={allowed}"]
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to others
        shutil.copytree(folder, f"{place}/docs")
        for path in (Path(place), *Path(place).rglob("*")):
            os.chown(path, 61234, -1)
        code, err = told(Path(place, "docs"), f"-u {processes}", COMMANDS[name], prefix)
    check(code, err, "no process or thread can be started")


DAMAGE = {
    "a cut tokenizer": ("tokenizer.json", lambda content: content[: len(content) // 2]),
    "a poisoned tokenizer": ("tokenizer.json", lambda content: b'{"model": 1}'),
    "an empty tokenizer": ("tokenizer.json", lambda content: b""),
    "cut vectors": ("vectors.npy", lambda content: content[: len(content) // 2]),
    "no vectors": ("vectors.npy", lambda content: b""),
    "a pickle for vectors": ("vectors.npy", lambda content: b"\x80\x04N."),
    "a cut model": ("model.ort", lambda content: content[: len(content) // 2]),
    "an empty model": ("model.ort", lambda content: b""),
    "a cut record": ("model.json", lambda content: content[: len(content) // 2]),
    "a record that is a list": ("model.json", lambda content: b"[]"),
    "a record of numbers": ("model.json", lambda content: b'{"info": {"dim": "x"}, "folder": 1}'),
    "a deep record": ("model.json", lambda content: b"[" * 100_000),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_prepared_model_is_named(tmp_path: Path, name: str) -> None:
    file_name, change = DAMAGE[name]
    model = "all-MiniLM-L6-v2" if file_name == "model.ort" else "static"
    cache = tmp_path / "cache"
    shutil.copytree(os.environ["SEMSEARCH_CACHE"], cache)
    folder = tmp_path / "docs"
    write(folder, {"a.txt": "Emeralds are green.\n"})
    index_folders([str(folder)], None, IndexOptions(model=model))
    for path in cache.glob(f"*/{file_name}"):
        path.write_bytes(change(path.read_bytes()))
    write(folder, {"b.txt": "Rubies are red.\n"})
    for command in (["search", "emeralds"], ["index", "."]):
        done = subprocess.run(
            [sys.executable, "-m", "semsearch", *command], capture_output=True, text=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_CACHE": str(cache), KEY: "0",
                 "SEMSEARCH_PASSAGE_CACHE": "0"},
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        last = done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr and "defect" not in last and "verify --repair" not in last, done.stderr
        assert str(cache) in last and "rm -r" in last, done.stderr


@pytest.mark.parametrize("mode", ["damaged", "unreadable", "a folder"])
def test_a_vector_cache_that_cannot_be_used_stops_nothing(tmp_path: Path, folder: Path, mode: str) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(os.environ["SEMSEARCH_CACHE"], cache)
    for name in ("queries.db", "passages.db"):
        (cache / name).unlink(missing_ok=True)
        if mode == "a folder":
            (cache / name).mkdir()
        else:
            (cache / name).write_bytes(b"no database" * 1000)
        if mode == "unreadable":
            (cache / name).chmod(0)
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    for command in (["search", "emeralds", "-l"], ["index", "."]):
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "semsearch", *command], capture_output=True, text=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_CACHE": str(cache)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        # `index` finds the cache of passages, unless it needs none.
        told = [line for line in done.stderr.splitlines() if "cache of vectors" in line]
        assert len(told) == (command[0] == "search"), done.stderr
        assert not told or str(cache / "queries.db") in told[0]
