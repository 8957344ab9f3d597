"""Shared by all tests: no network, a model cache that outlives the run, small folders, the real command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.real.collections import data_folder

# The machine may be busy: no example is too slow.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

PROJECT = Path(__file__).resolve().parents[1]
# Preparing the packaged model and its static distillate takes half a minute: once for many runs.
os.environ.setdefault("SEMSEARCH_CACHE", str(PROJECT / ".pytest_cache" / "semsearch"))
os.environ["HF_HUB_OFFLINE"] = "1"
for variable in ("SEMSEARCH_INDEX", "SEMSEARCH_MODEL"):
    os.environ.pop(variable, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if data_folder() is None:
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason="the real collections are not here"))


@dataclass(frozen=True)
class Completed:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Completed]


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


NOTES = {
    "garden.md": "---\ntitle: Garden notes\ntags: [plants, soil]\n---\n\n# Garden notes\n\n## Tomatoes\n\n"
    "Water the tomatoes every morning before the sun is high.\n\n## Roses\n\nPrune the roses in early spring.\n",
    "kitchen/bread.txt": "The sourdough needs twelve hours of rest in the fridge.\nBake it at 240 degrees.\n",
    "kitchen/soup.txt": "Simmer the leek soup for forty minutes and season it with nutmeg.\n",
    "code/pump.py": 'def start_pump(pressure):\n    """Open the valve, then start the pump."""\n    return pressure\n',
    "travel.html": "<html lang='en'><head><title>Trip</title></head><body><nav>menu</nav><h1>Trip to the coast</h1>"
    "<p>The night ferry leaves the harbour at ten.</p></body></html>",
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A small folder of several types, old enough not to be racy."""
    folder = tmp_path / "notes"
    write(folder, NOTES)
    return folder


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    """Writes `files` below `folder` and dates them an hour back, so that no scan calls them racy."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        stamp = path.stat().st_mtime - 3600
        os.utime(path, (stamp, stamp))
