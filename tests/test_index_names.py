"""Names of indexes: which there may be, what they stand for, and that each mistake is one line about the file."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch import settings
from semsearch.errors import IndexNotFoundError, ParameterError, UsageError
from semsearch.index_names import checked_names, listed, may_be_name
from tests.support.folders import write


def configured(place: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Lets `text` be the configuration file, in the working folder `place`."""
    write(place, {"config/semsearch/config.toml": text})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    monkeypatch.chdir(place)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"": "/a"}, "the name '' is empty"),
        ({"a/b": "/a"}, "the name 'a/b' has a / in it"),
        ({"postgresql://a": "/a"}, "looks like a URL"),
        ({"c:": "/a"}, "has a : in it"),
        ({"-i": "/a"}, "begins with -"),
        ({"..": "/a"}, "begins with ."),
        ({"~": "/a"}, "begins with ~"),
        ({"my notes": "/a"}, "has a blank in it"),
        ({"a\x1b": "/a"}, "has a blank in it"),
        ({"notes": 3}, "notes = 3 is not a text"),
        ({"notes": {"old": "/a"}}, "is not a text"),
        ({"notes": ["/a", "/b"]}, "is not a text"),
        ({"notes": ""}, "neither a whole path nor a URL"),
        ({"notes": "notes/.semsearch"}, "neither a whole path nor a URL"),
        ({"notes": "postgresql:/ada@db/team"}, "neither a whole path nor a URL"),
        ("notes", "indexes is no table"),
    ],
)
def test_what_is_no_name_or_place_is_refused(table: object, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked_names(table, "/home/ada/config.toml")
    assert message in refused.value.message and refused.value.message.startswith("/home/ada/config.toml: ")
    assert refused.value.hint


@given(st.text(max_size=12))
def test_a_name_is_no_flag_no_path_and_no_url(text: str) -> None:
    if may_be_name(text):
        assert text and text[0] not in "-.~" and os.path.basename(text) == text
        assert not settings.url_scheme(text)
        assert not any(character.isspace() for character in text)
    assert not may_be_name("./" + text) and not may_be_name("-" + text)


def test_a_long_list_of_names_is_cut() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed([f"n{number:02}" for number in range(25)]).endswith("n19 and 5 more")


def test_a_name_wins_over_a_folder_and_a_path_does_not_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = f'index = "notes"\n[indexes]\nnotes = "{tmp_path}/far"\nteam = "postgresql://ada:secret@db.example.org/x"\n'
    configured(tmp_path, monkeypatch, lines)
    write(tmp_path, {"notes/.semsearch/catalog.db": "", "far/.semsearch/catalog.db": "", "ntes/catalog.db": ""})
    there, here = str(tmp_path / "far" / ".semsearch"), str(tmp_path / "notes" / ".semsearch")
    assert settings.index_for_reading("notes") == settings.index_for_writing("notes", []) == there
    assert settings.index_for_reading("./notes") == settings.index_for_writing("./notes", []) == here
    assert settings.index_for_reading(None) == there, "the setting index takes a name"
    monkeypatch.setenv("SEMSEARCH_INDEX", "./notes")
    assert settings.index_for_reading(None) == here
    monkeypatch.setenv("SEMSEARCH_INDEX", "notes")
    assert settings.index_for_reading(None) == settings.index_for_writing(None, ["elsewhere"]) == there
    assert settings.index_for_reading("team") == "postgresql://ada@db.example.org/x"
    assert settings.secrets_of("postgresql://ada@db.example.org/x") == {"password": "secret"}
    assert settings.index_for_reading("ntes") == str(tmp_path / "ntes"), "a folder that is there is no slip"


def test_a_slip_is_told_with_the_names_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch, '[indexes]\nnotes = "~/notes"\nmail = "~/mail"\n')
    with pytest.raises(IndexNotFoundError) as missing:
        settings.index_for_reading("ntoes")
    assert missing.value.message == f"no index is called ntoes, nor is there one at {tmp_path}/ntoes"
    assert missing.value.hint == "did you mean notes? these have a name: mail, notes"
    with pytest.raises(IndexNotFoundError) as missing:
        settings.index_for_reading("xyz")
    assert missing.value.hint == "these have a name: mail, notes"
    with pytest.raises(UsageError, match="did you mean notes"):
        settings.index_for_writing("ntoes", [])
    # What is like no name, or a path, is a new index.
    for new in ("all.index", "./ntoes"):
        assert settings.index_for_writing(new, []) == os.path.join(tmp_path, os.path.normpath(new))
    with pytest.raises(IndexNotFoundError) as missing:
        settings.index_for_reading("./ntoes")
    assert missing.value.hint == "make one with: semsearch index FOLDER --index ./ntoes"


def test_a_name_without_an_index_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch, f'[indexes]\nnotes = "{tmp_path}/far/away"\n')
    with pytest.raises(IndexNotFoundError) as missing:
        settings.index_for_reading("notes")
    assert missing.value.message == f"no index at {tmp_path}/far/away"
    assert missing.value.hint == "make one with: semsearch index FOLDER --index notes"


def test_the_table_is_not_taken_for_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch, '[index]\nnotes = "~/notes"\n')
    with pytest.raises(UsageError) as refused:
        settings.index_for_reading("notes")
    assert refused.value.hint == "names of indexes stand under [indexes]"
    configured(tmp_path, monkeypatch, '[indxes]\nnotes = "~/notes"\n')
    with pytest.raises(UsageError) as refused:
        settings.index_for_reading("notes")
    assert refused.value.hint == "did you mean indexes?"
    with pytest.raises(ParameterError):
        settings.index_for_reading("")


def test_a_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("/a", "/b", "/a"):
        configured(tmp_path, monkeypatch, f'[indexes]\nnotes = "{place}"\n')
        assert settings.index_names() == {"notes": place}
    (tmp_path / "config" / "semsearch" / "config.toml").unlink()
    assert settings.index_names() == {}
