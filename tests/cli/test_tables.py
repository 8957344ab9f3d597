"""Tables on terminals: whatever their width, what is copied is whole; columns are left out, which is said."""

import re
import sys
from pathlib import Path

import pytest

from semsearch.cli.tables import Column, print_table
from semsearch.embedding.model_table import cards
from tests.support.commands import Command
from tests.support.terminal import on_terminal


@pytest.mark.parametrize("columns", ["200", "80", "60", "40"])
def test_models_are_named_whole_at_any_width(tmp_path: Path, columns: str) -> None:
    code, arrived = on_terminal(["models"], tmp_path, {"COLUMNS": columns, "NO_COLOR": "1"})
    words = re.sub(r"\x1b\[\d*m", "", arrived.decode()).split()
    assert code == 0 and not [card.name for card in cards() if card.name not in words]
    assert "…" not in arrived.decode()
    plain = re.sub(r"\x1b\[\d*m|\r", "", arrived.decode())
    lines = [line.rstrip() for line in plain.splitlines() if "semsearch:" not in line]
    if columns == "80":
        assert max(map(len, lines)) <= 80
        assert b"not shown in 80 columns: numbers, licence, window, cut to (all of it: in a pipe)" in arrived
    if columns == "200":
        assert b"not shown" not in arrived and "┃" in arrived.decode()


def test_a_pipe_has_all_columns_and_one_model_all_there_is(semsearch: Command) -> None:
    heading = semsearch("models").out.splitlines()[0].split("  ")
    assert [name.strip() for name in heading if name] == [
        "model", "runs", "numbers", "cut to", "window", "languages", "licence", "size or price",
    ]  # fmt: skip
    shown = semsearch("models", "show", "e5-mistral-7b-instruct").out
    assert 'before a query    "Instruct: Given a web search query,' in shown and '\\nQuery: "' in shown
    told = semsearch("models", "show", "e5-small-v2", "--json").json
    assert told["schema"] == "semsearch.models/1" and told["model"]["query_prefix"] == "query: "
    unknown = semsearch("models", "show", "e5-smal-v2")
    assert unknown.code == 2 and "did you mean e5-small-v2" in unknown.err


def test_lines_go_first_then_spare_columns_and_never_a_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = [Column("name"), Column("first", True, 2), Column("second", spare=1), Column("last", True)]
    rows = [["a-name-" * 3, "1", "two", "3"], ["漢字", "1,000", "two words", "[bold]4"]]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")

    def printed(width: int) -> tuple[str, str]:
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(columns, rows, "a title")
        return capsys.readouterr()

    out, err = printed(60)
    assert "│ 漢字" in out and err == ""
    out, err = printed(52)
    assert "│" not in out and "1,000  two words  [bold]4" in out and err == ""
    out, err = printed(46)
    assert "1,000" not in out and "two words" in out and "not shown in 46 columns: first" in err
    out, err = printed(10)
    assert "a-name-a-name-a-name-" in out and "[bold]4" in out
    assert "not shown in 10 columns: second, first" in err
