"""How far names of documents stand in a query, and what a search makes of it."""

import numpy as np
import pytest

from semsearch.lexical.analyzer import analyze_query
from semsearch.retrieval.name_match import name_scores
from semsearch.store.records import DocumentName

WORDS = frozenset({"en"})


def score(query: str, path: str, title: str = "", language: str = "en") -> float:
    words = analyze_query(query, frozenset({language}))
    name = DocumentName(path.encode(), title, language)
    return float(name_scores([name], words, np.ones(len(words), np.float32))[0])


@pytest.mark.parametrize(
    ("query", "path", "title"),
    [
        ("turbine maintenance", "operations/turbine-maintenance.md", ""),
        ("Turbines: maintenance", "turbine_maintenance.pdf", ""),
        ("state of the union", "x.txt", "The State of the Union"),
        ("3M 2018", "reports/3M_2018.pdf", ""),
        ("reports 3M 2018", "reports/3M/2018.pdf", ""),
        ("replication", "docs/replication/index.md", ""),
        ("replication", "docs/replication/README.md", ""),
    ],
)
def test_a_query_that_is_the_whole_name_has_the_whole_score(query: str, path: str, title: str) -> None:
    assert score(query, path, title) == pytest.approx(1)


def test_part_of_the_query_and_part_of_the_name_count_in_proportion() -> None:
    assert score("turbine grease", "turbine.md") == pytest.approx(1 / 2)
    assert score("turbine", "turbine-maintenance.md") == pytest.approx(1 / 2)
    assert score("cats", "turbine-maintenance.md") == 0


def test_a_long_name_with_a_common_word_gains_little() -> None:
    assert score("set an expiry", "cluster-set-config-epoch.md") < score("set an expiry", "set.md") / 3


def test_the_words_count_by_their_weight() -> None:
    words = analyze_query("rare common", WORDS)
    names = [DocumentName(b"rare.md", "", "en"), DocumentName(b"common.md", "", "en")]
    assert name_scores(names, words, np.array([3, 1], np.float32)).tolist() == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("path", ["", ".md", "___.txt", "a/b/", "\x00", "index.md", "\udcff.txt"])
@pytest.mark.parametrize("query", ["turbine", "", "...", "index"])
def test_odd_names_and_queries_have_some_score(path: str, query: str) -> None:
    words = analyze_query(query, WORDS)
    name = DocumentName(path.encode("utf-8", "surrogateescape"), "", "")
    found = name_scores([name, name], words, np.zeros(len(words), np.float32))
    assert found.tolist() == [0, 0]


def test_names_in_other_scripts_are_compared() -> None:
    assert score("报销流程", "规定/报销流程.md", language="zh") == pytest.approx(1)
    assert score("schäden melden", "Schäden_melden.txt", language="de") == pytest.approx(1)
    # One pair of characters is not the whole of a name without spaces.
    assert score("中国 经济", "中国人民大学历史系.md", language="zh") == pytest.approx(1 / 2 / 8)
    assert score("流", "流程.md", language="zh") == pytest.approx(1)
