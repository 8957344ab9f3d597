"""The public API is what `__all__` names, a type checker sees it, importing it costs nothing, and its page is true."""

import ast
import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import semsearch
from semsearch.cli.app import app
from semsearch.cli.flags import flag_of
from semsearch.errors import ParameterError
from semsearch.indexing import IndexOptions
from semsearch.retrieval.options import SearchOptions
from tests.support.chat_server import chat
from tests.support.commands import Command
from tests.support.folders import PROJECT
from tests.support.without_grammars import python_path

_PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_all_names_the_public_api() -> None:
    assert dir(semsearch) == sorted(semsearch.__all__)
    for name in semsearch.__all__:
        assert getattr(semsearch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        semsearch.nonesuch  # type: ignore[attr-defined]  # noqa: B018


def test_every_public_name_is_documented() -> None:
    page = (PROJECT / "docs" / "python-api.md").read_text("utf-8")
    assert [name for name in semsearch.__all__ if f"`{name}" not in page] == []


def test_every_public_function_and_class_says_what_it_does() -> None:
    assert [name for name in semsearch.__all__ if not getattr(semsearch, name).__doc__] == []


@pytest.mark.slow
def test_a_type_checker_sees_every_name(tmp_path: Path) -> None:
    """As a user's own strict mypy sees the installed package."""
    user = tmp_path / "user.py"
    lines = [f"reveal_type(semsearch.{name})" for name in semsearch.__all__]
    wrong = ["semsearch.SearchOptions(k='three')", "semsearch.nonesuch"]
    user.write_text("\n".join(["import semsearch", *lines, *wrong]) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", os.devnull,
         "--config-file", os.devnull, "--follow-imports=silent", "--ignore-missing-imports", "user.py"],
        cwd=tmp_path, env={**os.environ, "MYPYPATH": str(PROJECT)}, capture_output=True, text=True,
    )  # fmt: skip
    told = done.stdout.splitlines()
    for number, name in enumerate(semsearch.__all__, 2):
        (revealed,) = [line for line in told if line.startswith(f"user.py:{number}: ")]
        assert "note: Revealed type" in revealed and '"Any"' not in revealed, name
    errors = [line for line in told if ": error: " in line]
    assert len(errors) == 2 and "[arg-type]" in errors[0] and "[attr-defined]" in errors[1], done.stdout


def test_importing_it_loads_nothing_heavy_and_changes_no_variable() -> None:
    code = (
        "import os, sys; before = dict(os.environ); import semsearch; dir(semsearch)\n"
        "assert dict(os.environ) == before\n"
        "print([name for name in ('numpy', 'typer', 'torch', 'sqlite3', 'pathlib') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n{code}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_variable_that_the_user_set_stays(notes: Path) -> None:
    """Also where a model is loaded: telemetry is switched off only where nobody chose otherwise."""
    code = (
        "import os, sys, semsearch\n"
        f"semsearch.index([{str(notes)!r}], options=semsearch.IndexOptions(model='static'))\n"
        f"semsearch.open_index({str(notes)!r}).search('roses')\n"
        "print(os.environ['HF_HUB_DISABLE_TELEMETRY'], os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    mine = {"HF_HUB_DISABLE_TELEMETRY": "0", "ORT_DISABLE_TELEMETRY": "mine"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(PROJECT), **mine}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.stdout == "0 mine\n", done.stderr


def test_paths_of_any_kind_are_taken_and_one_is_no_list(notes: Path) -> None:
    import semsearch as library

    report = library.index([notes], notes / "index", IndexOptions(model="static"))
    assert str(notes / "index") in repr(report) and report.summary() in repr(report)
    with library.open_index(notes / "index") as searcher:
        assert searcher.search("roses").hits
    for one in (notes, str(notes)):
        with pytest.raises(TypeError, match="roots is one path"):
            library.index(one)


@pytest.mark.parametrize("wrong", [{"paths": "notes/*"}, {"types": "pdf"}, {"where": {"author": "Ada"}}])
def test_a_filter_of_one_text_is_refused(wrong: dict[str, object]) -> None:
    import semsearch as library

    with pytest.raises(TypeError, match=f"{next(iter(wrong))} is a"):
        library.Filters(**wrong)  # type: ignore[arg-type]


WRONG = [
    ("k", SearchOptions(k=0), ("-k", "0")),
    ("context", SearchOptions(context=-1), ("-C", "-1")),
    ("min_score", SearchOptions(min_score=2), ("--min-score", "2")),
    ("alpha", SearchOptions(alpha=2), ("--alpha", "2")),
    ("mode", SearchOptions(mode="fuzzy"), ("--mode", "fuzzy")),
    ("fusion", SearchOptions(fusion="sum"), ("--fusion", "sum")),
    ("unlike", SearchOptions(unlike=(" ",)), ("--unlike", " ")),
]


def test_the_library_names_the_parameter_and_the_command_its_flag(semsearch: Command, notes: Path) -> None:
    import semsearch as library

    library.index([str(notes)], options=IndexOptions(model="static"))
    with library.open_index(str(notes)) as searcher:
        for parameter, options, flags in WRONG:
            with pytest.raises(library.ParameterError) as caught:
                searcher.search("roses", options)
            assert caught.value.parameter == parameter and caught.value.message.startswith(f"{parameter} ")
            done = semsearch("search", "roses", "-i", notes, *flags)
            assert done.code == 2 and done.err.startswith(f"semsearch: {flags[0]} "), done.err
    with pytest.raises(library.ParameterError) as caught:
        library.index([str(notes)], options=IndexOptions(chunk_size=3))
    assert caught.value.parameter == "chunk_size"
    assert semsearch("index", notes, "--chunk-size", "3").err.startswith("semsearch: --chunk-size 3 ")


def test_every_parameter_that_is_named_has_a_flag() -> None:
    """Every `ParameterError("name", ...)` of the source becomes a flag or an argument that some command has."""
    group: typer.core.TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
    known = {
        text
        for command in group.commands.values()
        for parameter in command.params
        for text in (*parameter.opts, *parameter.secondary_opts, parameter.make_metavar(typer.Context(command)))
    }
    named = set()
    for path in (PROJECT / "semsearch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == ParameterError.__name__:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    named.add(str(first.value))
    assert {"k", "chunk_size", "where"} <= named
    assert [name for name in named if flag_of(name) not in known] == []


@pytest.mark.parametrize("page", ["README.md", "docs/python-api.md"])
def test_the_examples_of_a_page_run_and_print_what_they_show(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page are one session in a folder that holds the sample documents."""
    shutil.copytree(PROJECT / "sample_docs", tmp_path / "sample_docs", ignore=shutil.ignore_patterns(".semsearch"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("PYTHONPATH", python_path(tmp_path / "without_extras"))  # as the README installs it
    names: dict[str, object] = {}
    blocks = _PYTHON_BLOCK.findall((PROJECT / page).read_text("utf-8"))
    assert blocks
    reply = "Press 90 grams of grease every 700 running hours. [1]"
    with chat(lambda handler, body: handler.say(body, reply)) as server:
        for number, block in enumerate(blocks):
            block = block.replace("http://127.0.0.1:11434/v1", server.url)
            if ">>>" not in block:
                exec(compile(block, f"{page}, block {number}", "exec"), names)
                continue
            test = doctest.DocTestParser().get_doctest(block, names, f"{page}, block {number}", page, 0)
            told: list[str] = []
            runner = doctest.DocTestRunner(verbose=False)
            runner.run(test, out=told.append, clear_globs=False)
            assert runner.failures == 0, "".join(told)
            names.update(test.globs)


def test_a_search_imports_no_reader() -> None:
    code = (
        "import sys; import semsearch.retrieval.searcher;"
        "print([name for name in sys.modules if '.readers' in name or name.endswith('document_builder')])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
