"""Processes in which the grammars of the extra `code` are not installed."""

from pathlib import Path

from tests.support.folders import PROJECT, write

# What Python runs at its start, in the readers, too.
_SITECUSTOMIZE = """
import sys

class Finder:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *more):
        return None if name.startswith("tree_sitter") else self.finder.find_spec(name, *more)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Finder(finder) for finder in sys.meta_path]
"""


def python_path(folder: Path) -> str:
    """The PYTHONPATH of such processes; a file for them is written into `folder`."""
    write(folder, {"sitecustomize.py": _SITECUSTOMIZE})
    return f"{folder}:{PROJECT}"
