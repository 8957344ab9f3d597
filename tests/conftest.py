"""Shared by all tests: no network, a model cache that outlives the run, small folders, the real command."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from semsearch.embedding.open import open_model, read_info, resolve
from semsearch.settings import DEFAULT_MODEL, cache_folder
from tests.support.commands import Command, Completed
from tests.support.folders import NOTES, PROJECT, write
from tests.support.real_collections import data_folder
from tests.support.tiny_models import make_cross_encoder
from tests.support.tiny_sparse_models import make_splade

# The machine may be busy: no example is too slow.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Preparing the packaged model and its static distillate takes half a minute: once for many runs.
os.environ.setdefault("SEMSEARCH_CACHE", str(PROJECT / ".pytest_cache" / "semsearch"))
os.environ["HF_HUB_OFFLINE"] = "1"
# A service of whoever runs the tests answers none of them.
os.environ["SEMSEARCH_SERVICE"] = "0"
# Not that of whoever runs the tests: `ask` remembers questions there.
os.environ["XDG_STATE_HOME"] = str(PROJECT / ".pytest_cache" / "state")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers are the threads: more of them wait for each other, and take twice as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
for variable in ("SEMSEARCH_INDEX", "SEMSEARCH_MODEL"):
    os.environ.pop(variable, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if data_folder() is None:
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason="the real collections are not here"))


@pytest.fixture(scope="session", autouse=True)
def prepared_models() -> None:
    """The packaged model and its static distillate, prepared once for all runs and all pytest-xdist workers.

    Workers that need a model at the same time would each prepare it, for half a minute; here the others wait.
    """
    cache = cache_folder()
    os.makedirs(cache, exist_ok=True)
    lock = os.open(cache, os.O_RDONLY)  # of the folder itself: it leaves no file
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in (DEFAULT_MODEL, "static"):
            source = resolve(name)
            if read_info(source.cache_path()) is None:
                open_model(source, print)
    finally:
        os.close(lock)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], Path]], Path]:
    """`made_once(name, make)`: what `make(folder)` returns, made once for all pytest-xdist workers of a run."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def made(name: str, make: Callable[[Path], Path]) -> Path:
        folder = base / "made" / name
        folder.mkdir(parents=True, exist_ok=True)
        result = folder / "result"
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                result.write_text(str(make(folder / "content")))
        return Path(result.read_text())

    return made


@pytest.fixture(scope="session")
def cross_encoder(made_once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """The folder of a small cross-encoder, which takes half a minute to train."""
    return made_once("cross-encoder", make_cross_encoder)


@pytest.fixture(scope="session")
def splade(made_once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """The folder of a small random SPLADE."""
    return made_once("splade", make_splade)


@pytest.fixture
def semsearch(tmp_path: Path) -> Command:
    """Runs the real command in a process: `semsearch("index", folder, stdin=..., env={...}, cwd=...)`."""

    def run(
        *arguments: object, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Completed:
        done = subprocess.run(
            [sys.executable, "-m", "semsearch", *map(str, arguments)],
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            cwd=cwd or tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "utf-8", **(env or {})},
            timeout=240,
        )
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert "Traceback" not in err, err
        return Completed(done.returncode, out, err)

    return run


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A small folder of several types, old enough not to be racy."""
    folder = tmp_path / "notes"
    write(folder, NOTES)
    return folder
