"""Ignore files and globs: which paths they leave out, and which line of which file decides.

The rules are those of gitignore(5), matched by `pathspec`. Every folder may have a `.gitignore`, a `.ignore` and a
`.semsearchignore`. Where they disagree, the later one in this list and the one in the deeper folder decide. They hold
outside git repositories, too.
"""

import os

from semsearch.errors import ReadError, UsageError
from semsearch.sources.beneath import open_beneath, open_folder, open_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".ignore", ".semsearchignore")


class Rule:
    """One line of an ignore file that matches a path.

    `file`: its path; `line`: from 1; `keeps`: the pattern begins with `!`, so that the path is not left out.
    """

    __slots__ = ("file", "keeps", "line", "pattern")

    def __init__(self, file: str, line: int, pattern: str, keeps: bool) -> None:
        self.file = file
        self.line = line
        self.pattern = pattern
        self.keeps = keeps

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.pattern}"


class _RuleFile:
    """The rules of the ignore file at `path`: `lines` are (line number, pattern) of each pattern of `spec`."""

    __slots__ = ("lines", "path", "spec")

    def __init__(self, path: str, lines: "list[tuple[int, str]]", spec: "GitIgnoreSpec") -> None:
        self.path = path
        self.lines = lines
        self.spec = spec


class IgnoreLevel:
    """The ignore files of the folder `base`, the one that decides first in front."""

    __slots__ = ("base", "files")

    def __init__(self, base: str, files: list[_RuleFile]) -> None:
        self.base = base
        self.files = files

    def decision(self, path: str, is_dir: bool) -> Rule | None:
        """The rule of this folder that matches `path` (absolute); None when none does."""
        relative = path[len(self.base) :].lstrip("/") + ("/" if is_dir else "")
        for file in self.files:
            match = file.spec.check_file(relative)
            if match.include is not None and match.index is not None:
                number, pattern = file.lines[match.index]
                return Rule(file.path, number, pattern, not match.include)
        return None


def compile_globs(lines: "Iterable[str]") -> "GitIgnoreSpec":
    """A matcher of the globs `lines`, in gitignore syntax. Raises `UsageError` for an invalid one.

    pathspec is imported here, because most folders need no rule at all.
    """
    from pathspec import GitIgnoreSpec

    lines = list(lines)
    try:
        return GitIgnoreSpec.from_lines(map(_as_git_reads, lines))
    except ValueError as error:
        raise UsageError(f"not a glob: {' '.join(lines)}", str(error)) from None


def _as_git_reads(line: str) -> str:
    """`line` for pathspec to read it as git does: `b/**/` means the folders below b, not the files in it."""
    return f"{line.rstrip()}*/" if line.rstrip().endswith("**/") else line


def read_level(folder: str, descriptor: int, names: "Iterable[str]") -> IgnoreLevel | None:
    """The rules of the ignore files in `folder`, which is open as `descriptor` and whose files are called `names`; None
    when there are none. Symbolic links are not followed, as git does not: the rules are shown to whoever asks why."""
    files = [
        _read_rules(os.path.join(folder, name), lambda name=name: open_in(descriptor, name))  # type: ignore[misc]
        for name in reversed(IGNORE_FILES)
        if name in names
    ]
    with_rules = [file for file in files if file is not None]
    return IgnoreLevel(folder, with_rules) if with_rules else None


def levels_above(root: str) -> list[IgnoreLevel]:
    """The rules of the folders above `root`, up to the top of the git repository it is in; none outside of one."""
    folders = []
    folder = root
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return []
        folder = parent
        folders.append(folder)
    levels = []
    of_git = ".git/info/exclude"
    exclude = _read_rules(os.path.join(folder, of_git), lambda: open_beneath(folder, of_git))
    if exclude:
        levels.append(IgnoreLevel(folder, [exclude]))
    for above in reversed(folders):
        try:
            descriptor = open_folder(above)
        except OSError:
            continue  # passed over like a file that cannot be read
        level = read_level(above, descriptor, IGNORE_FILES)
        os.close(descriptor)
        if level:
            levels.append(level)
    return levels


def ignored_by(levels: list[IgnoreLevel], path: str, is_dir: bool) -> Rule | None:
    """The rule that leaves out `path` (absolute); None when none does. The deepest rule that matches decides."""
    for level in reversed(levels):
        rule = level.decision(path, is_dir)
        if rule is not None:
            return None if rule.keeps else rule
    return None


def _read_rules(path: str, open_file: "Callable[[], int]") -> _RuleFile | None:
    """The rules of the file at `path`, which `open_file` opens; None when it has none, or is no file that can be read,
    which git passes over, too."""
    try:
        with open(open_file(), encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except (OSError, ReadError):
        return None
    patterns = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    try:
        spec = compile_globs(line for _, line in patterns)
    except UsageError:
        patterns = [(number, line) for number, line in patterns if _is_pattern(line)]
        spec = compile_globs(line for _, line in patterns)
    return _RuleFile(path, patterns, spec) if patterns else None


def _is_pattern(line: str) -> bool:
    try:
        compile_globs([line])
    except UsageError:
        return False  # git passes over invalid patterns, too
    return True
