"""The documentation is true: its console blocks are run, and it names every command, flag, variable and error code.

A console block is ```console with lines that begin with `$ `; what follows such a line, up to the next one, is what the
command prints. A command without output below it is run, and its output is not compared. A line `...` stands for any
lines that are left out.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from semsearch import settings
from semsearch.cli import interrupts
from semsearch.cli.app import app
from semsearch.cli.manual import commands_of
from semsearch.sources.document_types import suffixes_of_types, type_named, type_names
from tests.support.without_grammars import python_path

PROJECT = Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs"
RUN = ("README.md", "docs/guide.md")
# The home folder that the documentation shows.
HOME = "/home/ada"
_NUMBER = re.compile(r"\b\d[\d,]*\.\d+[KM]?\b")
# On a busy machine a run commits more often.
_SEGMENTS = re.compile(r"\b\d+ (lexical|dense)\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FLAG = re.compile(r"`(--?[A-Za-z0-9][\w-]*)`")


@dataclass(frozen=True)
class Step:
    """One command of a console block, the number of its line in the file, and the lines it prints."""

    line: int
    command: str
    output: tuple[str, ...]


def steps_in(text: str) -> Iterator[Step]:
    """Every command of the console blocks of a Markdown text, in order."""
    for block in re.finditer(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        first = text.count("\n", 0, block.start(1)) + 1
        lines = block[1].splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in pairwise([*starts, len(lines)]):
            yield Step(first + start, lines[start][2:], tuple(lines[start + 1 : end]))


def normalised(text: str) -> str:
    """`text` without what differs between machines and runs, so that two outputs of a command can be compared.

    Numbers with a fraction (scores, seconds, sizes, losses) become `#`, points in time `TIME`, runs of blanks one
    blank. Ranks, counts, line numbers, paths and texts stay.
    """
    text = _SEGMENTS.sub(r"# \1", _TIME.sub("TIME", text))
    return " ".join(_NUMBER.sub("#", text).split())


def matches(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether `printed` is what is `shown`, where a line `...` stands for any number of lines."""
    pattern = "\n".join(".*" if line == "..." else re.escape(normalised(line)) for line in shown)
    return re.fullmatch(pattern, "\n".join(map(normalised, printed)), re.DOTALL) is not None


def test_blocks_are_taken_apart_and_compared() -> None:
    text = "$ no\n```console\n$ one\nout 0.71\n...\nend\n$ two\n```\n```sh\n$ no\n```\n"
    assert list(steps_in(text)) == [Step(3, "one", ("out 0.71", "...", "end")), Step(7, "two", ())]
    assert matches(("out 0.71", "...", "end"), ["out  0.69", "a", "b", "end"])
    assert matches(("in 12.0 s", "(1.2K)"), ["in  9.87 s", "(140.2K)"])
    assert not matches(("1 file",), ["2 files"])
    assert not matches(("1 file",), ["1 file", "more"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a copy of the sample documents, and a `semsearch` command in `bin`."""
    home = tmp_path / "ada"
    shutil.copytree(PROJECT / "sample_docs", home / "sample_docs")
    shutil.rmtree(home / "sample_docs" / ".semsearch", ignore_errors=True)
    command = home / "bin" / "semsearch"
    command.parent.mkdir()
    path = python_path(tmp_path / "without_extras")  # as the README installs it
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" -m semsearch "$@"\n')
    command.chmod(0o755)
    return home


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_console_blocks_print_what_they_show(home: Path, page: str) -> None:
    unset = {"XDG_CONFIG_HOME", "XDG_STATE_HOME", "NO_COLOR", *(setting.variable for setting in settings.SETTINGS)}
    cache = os.environ["SEMSEARCH_CACHE"]
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(home), "PATH": f"{home / 'bin'}:{environment['PATH']}", "SEMSEARCH_CACHE": cache}

    def run(command: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", command], cwd=home / "sample_docs", env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=240,
        )  # fmt: skip
        return done.stdout.replace(str(home), HOME).rstrip("\n").split("\n")

    assert "20 added" in run("semsearch index .")[-1]
    for step in steps_in((PROJECT / page).read_text("utf-8")):
        if "jq" in step.command and shutil.which("jq") is None:
            continue
        printed = run(step.command)
        assert not step.output or matches(step.output, printed), (
            f"{page}:{step.line}: $ {step.command}\nprinted:\n" + "\n".join(printed)
        )


def pages() -> dict[str, str]:
    """The text of README.md and of every page of the documentation, by name."""
    return {path.name: path.read_text("utf-8") for path in (PROJECT / "README.md", *sorted(DOCS.glob("*.md")))}


def commands() -> dict[str, Any]:
    """Every command of the application by name, groups that do something by themselves among them."""
    group: Any = typer.main.get_command(app)
    alone = {name: command for name, command in group.commands.items() if getattr(command, "invoke_without_command", 0)}
    return {**commands_of(group), **alone}


@pytest.mark.parametrize("name", commands())
def test_every_command_and_flag_is_documented(name: str) -> None:
    text = "\n".join(pages().values())
    assert re.search(rf"semsearch {name}\b|`{name}\b", text), f"no page shows semsearch {name}"
    options = [parameter for parameter in commands()[name].params if parameter.param_type_name == "option"]
    flags = {flag for option in options for flag in (*option.opts, *option.secondary_opts)}
    section = re.search(rf"^## All flags of `{name}`\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    # The first column of the table; other columns may mention flags of other commands.
    rows = re.findall(r"^\| (.*?) \|", section[1], re.MULTILINE) if section else []
    documented = {flag for row in rows for flag in _FLAG.findall(row)}
    assert documented == flags, f"the table under '## All flags of `{name}`' in docs/"


def test_every_flag_of_the_application_is_documented() -> None:
    text = "\n".join(pages().values())
    group: Any = typer.main.get_command(app)
    assert [flag for option in group.params for flag in option.opts if flag not in text] == []


def test_every_type_of_document_is_documented_with_its_suffixes() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", pages()["formats.md"], re.MULTILINE)
    named = [name for names, _ in rows for name in re.findall(r"`(\w+)`", names)]
    assert sorted(named) == type_names()
    shown = {suffix for _, suffixes in rows for suffix in re.findall(r"`(\.\w+)`", suffixes)}
    assert all(type_named(suffix) for suffix in shown)
    assert shown == set(suffixes_of_types())


def settings_tables() -> str:
    """The two tables of docs/settings.md, as settings.py has them."""
    rows = ["| key | variable | default | meaning |", "|---|---|---|---|"]
    for setting in settings.SETTINGS:
        default = "" if setting.default is None else f"`{setting.default}`"
        rows.append(f"| `{setting.name}` | `{setting.variable}` | {default} | {setting.help} |")
    rows += ["| variable | meaning |", "|---|---|"]
    rows += [f"| `{variable.name}` | {variable.help} |" for variable in settings.ENVIRONMENT]
    return "\n".join(rows)


def test_the_tables_of_settings_are_those_of_the_source() -> None:
    page = pages()["settings.md"].partition("## Shell completion")[0]
    shown = "\n".join(line for line in page.split("\n") if line.startswith("|"))
    assert shown == settings_tables(), "docs/settings.md should hold:\n" + settings_tables()


@pytest.mark.slow
def test_every_variable_that_the_source_reads_is_in_a_table() -> None:
    """Variables of semsearch's own and of the providers; those of the system and of Python are not ours to explain."""
    ours = re.compile(
        r"(SEMSEARCH|OPENAI|COHERE|CO|VOYAGE|JINA|MILVUS|WEAVIATE|PINECONE|TIKTOKEN)_[A-Z_]+|NO_COLOR|HF_HUB_OFFLINE"
    )
    found = {node.value for node in strings() if ours.fullmatch(node.value)}
    assert found, "no variable was found in the source"
    assert {name for name in found if name not in settings_tables()} == set()


@pytest.mark.slow
def test_every_error_code_is_documented() -> None:
    codes = error_codes() | {interrupts.MESSAGE}
    assert {"usage", "no_index", "locked", "internal", "provider_key"} <= codes
    rows = re.findall(r"^\| `(\w+)` \|", pages()["troubleshooting.md"], re.MULTILINE)
    assert set(rows) == codes
    assert len(rows) == len(set(rows))


def sources() -> list[ast.Module]:
    return [ast.parse(path.read_text("utf-8")) for path in sorted((PROJECT / "semsearch").rglob("*.py"))]


def strings() -> Iterator[ast.Constant]:
    for module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node


def error_codes() -> set[str]:
    """What `code` of a SemsearchError can be: the argument `code="..."` of a call, `code = "..."` in a class."""
    found = set()
    for module in sources():
        for node in ast.walk(module):
            values: list[ast.expr | None] = []
            if isinstance(node, ast.Call) and _is_error(node.func):
                values = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            elif isinstance(node, ast.ClassDef) and any(_is_error(base) for base in node.bases):
                values = [
                    line.value
                    for line in node.body
                    if isinstance(line, ast.Assign) and [ast.unparse(name) for name in line.targets] == ["code"]
                ]
            for value in values:
                assert isinstance(value, ast.Constant), f"an error code is no plain text: {ast.unparse(node)}"
                found.add(str(value.value))
    return found


def _is_error(name: ast.expr) -> bool:
    """Whether a name is that of an error class, by the convention that these end in Error; `Exception` is the root."""
    return ast.unparse(name).endswith(("Error", "Exception"))


def test_links_between_pages_lead_somewhere() -> None:
    # Pages that other people write, and may not be there yet, are not looked for.
    for path in (PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))):
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text("utf-8")):
            linked = (path.parent / target).resolve() if target else path
            assert linked.is_file(), f"{path.name} links to {target}"
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in anchors, f"{path.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", sorted(path.name for path in PROJECT.glob("*.md") if path.name != "CHANGELOG.md"))
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    named = re.findall(
        r"\b(?:semsearch|tests|benchmarks|docs)/[\w/]*\w\.(?:py|md|json)\b", (PROJECT / page).read_text()
    )
    assert [name for name in named if "NAME" not in name and not (PROJECT / name).is_file()] == []


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text("utf-8").splitlines()) <= 150
