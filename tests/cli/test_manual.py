"""The manual page and shell completion say what the application is."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from semsearch.cli.manual import commands_of, manual
from tests.support.commands import Command
from tests.support.folders import PROJECT


def test_the_committed_page_is_the_generated_one() -> None:
    page = (PROJECT / "man" / "semsearch.1").read_text(encoding="utf-8")
    assert page == manual(), "make it anew: python -m semsearch.cli.manual > man/semsearch.1"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_the_page_is_clean_roff() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(PROJECT / "man" / "semsearch.1")], capture_output=True, text=True
    )
    assert done.stderr == ""
    plain = re.sub(".\b", "", done.stdout)  # bold is overstruck
    assert "--new-since STATE_FILE" in plain and "EXIT STATUS" in plain


def test_the_wheel_carries_the_page(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="builds the wheel without a network")
    code = (
        "import sys; from hatchling.builders.wheel import WheelBuilder;"
        "next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, str(PROJECT), str(tmp_path)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("data/share/man/man1/semsearch.1") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("semsearch se", "search"),
        ("semsearch search --mo", "--mode"),
        ("semsearch search --mode le", "lexical"),
        ("semsearch search --format v", "vimgrep"),
        ("semsearch search --type ma", "markdown"),
        ("semsearch index --model st", "static"),
    ],
)
def test_completion(semsearch: Command, words: str, wanted: str) -> None:
    bash = semsearch(
        env={"_SEMSEARCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    )
    assert wanted in bash.out.split()
    for shell in ("zsh", "fish"):
        done = semsearch(
            env={
                "_SEMSEARCH_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words,
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            }
        )  # fmt: skip
        assert wanted in done.out, shell
        assert "_SEMSEARCH_COMPLETE" in semsearch("--show-completion", shell).out


def test_every_flag_is_driven_by_some_test() -> None:
    import typer

    from semsearch.cli.app import app

    tests = "\n".join(path.read_text("utf-8") for path in (PROJECT / "tests").rglob("test_*.py"))
    group = typer.main.get_command(app)
    missing = [
        f"{name} {option.opts[-1]}"
        for name, command in commands_of(group).items()
        for option in command.params
        if option.param_type_name == "option"
        and not any(f'"{flag}"' in tests for flag in (*option.opts, *option.secondary_opts))
    ]
    assert not missing, missing
