"""What errors say to do can be done as it stands: commands are copied into a shell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import one_line_error
from tests.support.folders import PROJECT, write

# A command with it as it stands would remove `my`.
FOLDER = "my docs; rm -r my; $(rm -r my) 'x"


def told(arguments: list[str], cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
    )  # fmt: skip
    return one_line_error(done.stderr) if done.returncode == 2 else ""


def removal(message: str) -> str:
    """The command that `message` gives."""
    found = re.search(r": (rm (?:-r )?'/.*)\)$", message)
    assert found is not None, message
    return found[1]


def test_a_command_that_removes_removes_what_it_names(tmp_path: Path) -> None:
    write(tmp_path, {"my": "mine", f"{FOLDER}/a.txt": "Emeralds are green.\n"})
    index_folders([str(tmp_path / FOLDER)], None, IndexOptions(model="static"))
    journal = tmp_path / FOLDER / ".semsearch" / "catalog.db-journal"
    journal.write_text("of somebody else")
    command = removal(told(["verify", "-i", FOLDER], tmp_path, {}) or told(["status", "-i", FOLDER], tmp_path, {}))
    assert shlex.split(command) == ["rm", str(journal)]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert not told(["status", "-i", FOLDER], tmp_path, {})
    assert (tmp_path / "my").exists()


def test_a_prepared_model_is_removed_as_told(tmp_path: Path) -> None:
    cache = tmp_path / FOLDER
    shutil.copytree(os.environ["SEMSEARCH_CACHE"], cache)
    write(tmp_path, {"my": "mine", "docs/a.txt": "Emeralds are green.\n"})
    environment = {"SEMSEARCH_CACHE": str(cache), "SEMSEARCH_QUERY_CACHE": "0"}
    index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
    for path in cache.glob("static-*/vectors.npy"):
        path.write_bytes(b"")
    command = removal(told(["search", "emeralds", "-i", "docs"], tmp_path, environment))
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "my").exists()
    assert not list(cache.glob("static-*/vectors.npy")), "it will be prepared again"
