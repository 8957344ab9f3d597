"""Which grammars of tree-sitter there are for source code, and whether they are installed (the extra `code`).

Each grammar is a package of its own that holds its compiled parser, so that nothing is ever downloaded. This module is
light: the stat check asks for `readers_version`.
"""

import sys
from functools import cache

from semsearch import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tree_sitter import Parser

# The property of a document that tells how many symbols its text has; it is missing where no grammar was.
SYMBOLS = "symbols"
# Document type -> (package, function that returns the grammar); where the first cannot parse all of a file, the next is
# asked, too. A header (.h) may be one of C++; .tsx is known as TypeScript, and some JavaScript has types.
GRAMMARS: dict[str, tuple[tuple[str, str], ...]] = {
    "python": (("tree_sitter_python", "language"),),
    "javascript": (("tree_sitter_javascript", "language"), ("tree_sitter_typescript", "language_tsx")),
    "typescript": (
        ("tree_sitter_typescript", "language_typescript"),
        ("tree_sitter_typescript", "language_tsx"),
    ),
    "java": (("tree_sitter_java", "language"),),
    "c": (("tree_sitter_c", "language"), ("tree_sitter_cpp", "language")),
    "cpp": (("tree_sitter_cpp", "language"),),
    "csharp": (("tree_sitter_c_sharp", "language"),),
    "go": (("tree_sitter_go", "language"),),
    "rust": (("tree_sitter_rust", "language"),),
    "ruby": (("tree_sitter_ruby", "language"),),
    "php": (("tree_sitter_php", "language_php"),),
    "kotlin": (("tree_sitter_kotlin", "language"),),
    "swift": (("tree_sitter_swift", "language"),),
    "scala": (("tree_sitter_scala", "language"),),
    "shell": (("tree_sitter_bash", "language"),),
}
_PARSER = "tree_sitter"


@cache
def are_installed() -> bool:
    """Whether the parser and all grammars are installed. Looks for the first that is missing, and imports none."""
    packages = dict.fromkeys([_PARSER, *(package for several in GRAMMARS.values() for package, _ in several)])
    # What `importlib.util.find_spec` does, whose import alone takes longer.
    return all(any(finder.find_spec(package, None) for finder in sys.meta_path) for package in packages)


def readers_version(known: int = 0) -> int:
    """What the readers of this machine can read, as an index records it: with a higher version they read more.

    Ten times `settings.READERS_VERSION`, and one more where the grammars are installed. These are not looked for where
    that makes no difference to an index that records the version `known`.
    """
    own = settings.READERS_VERSION * 10
    return own + (known <= own and are_installed())


def with_grammars(version: int) -> bool:
    """Whether `version`, as of `readers_version`, is that of readers with grammars."""
    return version % 10 == 1


def parser_of(package: str, function: str) -> "Parser":
    """A new parser. Raises `ImportError` where it is not installed, `ValueError` for one of another time."""
    import importlib

    from tree_sitter import Language, Parser

    return Parser(Language(getattr(importlib.import_module(package), function)()))
