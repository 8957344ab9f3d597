"""Which paths the ignore files and the user's globs leave out, and which line of which file says so.

Rules are those of gitignore(5), matched by `pathspec`. Every folder may hold `.gitignore`, `.ignore` and
`.semsearchignore`; a later name in that list and a deeper folder win. They hold outside a git repository too.
"""

import os

from semsearch.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".ignore", ".semsearchignore")


class Rule:
    """One line of an ignore file that decided about a path: `keeps` for those that begin with `!`."""

    __slots__ = ("file", "keeps", "line", "pattern")

    def __init__(self, file: str, line: int, pattern: str, keeps: bool) -> None:
        self.file = file
        self.line = line
        self.pattern = pattern
        self.keeps = keeps

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.pattern}"


class _RuleFile:
    """The rules of one ignore file: `lines` are (line number, pattern) of each pattern of `spec`."""

    __slots__ = ("lines", "path", "spec")

    def __init__(self, path: str, lines: "list[tuple[int, str]]", spec: "GitIgnoreSpec") -> None:
        self.path = path
        self.lines = lines
        self.spec = spec


class IgnoreLevel:
    """The ignore files of one folder, matched against paths below it."""

    __slots__ = ("base", "files")

    def __init__(self, base: str, files: list[_RuleFile]) -> None:
        self.base = base
        self.files = files

    def decision(self, path: str, is_dir: bool) -> Rule | None:
        """The rule that speaks about `path` (absolute); None when none does."""
        relative = path[len(self.base) :].lstrip("/") + ("/" if is_dir else "")
        for file in self.files:
            found = file.spec.check_file(relative)
            if found.include is not None and found.index is not None:
                number, pattern = file.lines[found.index]
                return Rule(file.path, number, pattern, not found.include)
        return None


def compile_globs(lines: "Iterable[str]") -> "GitIgnoreSpec":
    """Globs in gitignore syntax. Raises `UsageError` for what is none.

    pathspec is imported here: most folders hold no rule at all.
    """
    from pathspec import GitIgnoreSpec

    lines = list(lines)
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise UsageError(f"not a glob: {' '.join(lines)}", str(error)) from None


def read_level(folder: str, names: "Iterable[str]") -> IgnoreLevel | None:
    """The rules in the ignore files called `names` in `folder`; None when they hold none."""
    files = [_read_rules(os.path.join(folder, name)) for name in reversed(IGNORE_FILES) if name in names]
    found = [file for file in files if file is not None]
    return IgnoreLevel(folder, found) if found else None


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
        levels.append(IgnoreLevel(folder, [exclude]))
    for above in reversed(folders):
        level = read_level(above, IGNORE_FILES)
        if level:
            levels.append(level)
    return levels


def ignored_by(levels: list[IgnoreLevel], path: str, is_dir: bool) -> Rule | None:
    """The rule that leaves out `path` (absolute): the deepest one that speaks about it, unless it keeps it."""
    for level in reversed(levels):
        rule = level.decision(path, is_dir)
        if rule is not None:
            return None if rule.keeps else rule
    return None


def _read_rules(path: str) -> _RuleFile | None:
    """The rules in the file at `path`; None when it holds none, or, like git, when it cannot be read."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError:
        return None
    found = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    try:
        spec = compile_globs(line for _, line in found)
    except UsageError:
        found = [(number, line) for number, line in found if _is_pattern(line)]
        spec = compile_globs(line for _, line in found)
    return _RuleFile(path, found, spec) if found else None


def _is_pattern(line: str) -> bool:
    try:
        compile_globs([line])
    except UsageError:
        return False  # git passes over what is no pattern
    return True
