"""Which paths the ignore files and the user's globs leave out.

Rules are those of gitignore(5), matched by `pathspec`. Every folder may hold `.gitignore`, `.ignore` and
`.semsearchignore`; a later name in that list and a deeper folder win. They hold outside a git repository too.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".ignore", ".semsearchignore")


class IgnoreLevel:
    """The ignore rules of one folder, matched against paths below it."""

    __slots__ = ("base", "specs")

    def __init__(self, base: str, specs: "list[GitIgnoreSpec]") -> None:
        self.base = base
        self.specs = specs

    def decision(self, path: str, is_dir: bool) -> bool | None:
        """True: ignored, False: kept by a `!` rule, None: no rule speaks. `path` is absolute."""
        relative = path[len(self.base) :].lstrip("/") + ("/" if is_dir else "")
        for spec in self.specs:
            verdict = spec.check_file(relative).include
            if verdict is not None:
                return verdict
        return None


def compile_globs(lines: "Iterable[str]") -> "GitIgnoreSpec":
    """Globs in gitignore syntax. pathspec is imported here: most folders hold no rule at all."""
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(lines)


def read_level(folder: str, names: "Iterable[str]") -> IgnoreLevel | None:
    """The rules in the ignore files called `names` in `folder`; None when they hold none."""
    specs = []
    for name in reversed(IGNORE_FILES):
        if name in names:
            specs += _read_rules(os.path.join(folder, name))
    return IgnoreLevel(folder, specs) if specs else None


def levels_above(root: str) -> list[IgnoreLevel]:
    """The rules that reach `root` from above: up to and including the enclosing git repository's top."""
    folders = []
    folder = root
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return []
        folder = parent
        folders.append(folder)
    levels = []
    exclude = _read_rules(os.path.join(folder, ".git", "info", "exclude"))
    if exclude:
        levels.append(IgnoreLevel(folder, exclude))
    for above in reversed(folders):
        present = [name for name in IGNORE_FILES if os.path.isfile(os.path.join(above, name))]
        level = read_level(above, present) if present else None
        if level:
            levels.append(level)
    return levels


def is_ignored(levels: list[IgnoreLevel], path: str, is_dir: bool) -> bool:
    """Whether the deepest rule that speaks about `path` (absolute) ignores it."""
    for level in reversed(levels):
        verdict = level.decision(path, is_dir)
        if verdict is not None:
            return verdict
    return False


def _read_rules(path: str) -> "list[GitIgnoreSpec]":
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = [line for line in file.read().splitlines() if line.strip() and line[0] != "#"]
    except OSError:
        return []  # like git: an ignore file that cannot be read holds no rule
    return [compile_globs(lines)] if lines else []
