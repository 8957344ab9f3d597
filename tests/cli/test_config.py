"""`config` tells what holds and why; a wrong configuration file is named wherever it is read."""

import json
import os
from pathlib import Path

import pytest

from tests.support.commands import Command, one_line_error

KEY = "sk-test-0123456789abcdef"


def test_each_setting_and_where_it_came_from(semsearch: Command, tmp_path: Path) -> None:
    folder = tmp_path / "xdg" / "semsearch"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('model = "static"\nllm = "qwen"\nread_seconds = 5\n')
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "SEMSEARCH_LLM": "llama", "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": "http://ada:secret@127.0.0.1:9/v1?key=secret",
    }  # fmt: skip
    done = semsearch("config", "--json", env=environment)
    assert done.json["schema"] == "semsearch.config/1"
    found = {row["name"]: (row["value"], row["source"]) for row in done.json["settings"]}
    assert found["model"] == ("static", "config file")
    assert found["llm"] == ("llama", "environment")
    assert found["read_seconds"] == (5, "config file")
    assert found["read_memory"] == (2048, "default")
    assert found["host"] == (os.uname().nodename, "default")
    assert found["api_key"] == ("set", "environment")
    assert found["base_url"] == ("http://127.0.0.1:9/v1", "environment")
    text = semsearch("config", env=environment)
    for secret in (KEY, "secret"):
        assert secret not in done.out + text.out
    assert "llama  (environment SEMSEARCH_LLM)" in text.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modle = "static"', "no setting called modle (did you mean model?)"),
        ("model = 3", "model = 3 is not a text"),
        ('read_seconds = "soon"', "read_seconds=soon is not a number above 0"),
        ("model = [", "config.toml: "),
        (f'api_key = "{KEY}"', "api_key does not belong into a file (set OPENAI_API_KEY in the environment)"),
    ],
)
def test_a_wrong_file_is_one_line_everywhere(
    semsearch: Command, notes: Path, tmp_path: Path, text: str, message: str
) -> None:
    folder = tmp_path / "xdg" / "semsearch"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(text)
    for command in (["config"], ["index", notes], ["index", notes, "-q", "--dry-run"]):
        done = semsearch(*command, env={"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "SEMSEARCH_CACHE": ""})
        assert done.code == 2, command
        assert message in one_line_error(done.err)
        assert KEY not in done.err
    assert json.loads(semsearch("config", "--json", env={"XDG_CONFIG_HOME": str(tmp_path / "xdg")}).err)["error"]
