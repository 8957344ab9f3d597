from pathlib import Path

import pytest

from semsearch.errors import UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write

FILES = {
    "right.md": "# Mole\n\nThe east mole is closed to\nlorries from noon.",
    "swap.md": "Lorries may come; closed is what the café says to them.",
    "plain.md": "The cafe sells 1,234 tomatoes. The tomatoes are ripe.",
    "zh.txt": "东京的水道很长。",
    "swap_zh.txt": "水很长的道东京。",
    "tea/Green Tea.md": "Water at eighty degrees.",
    "tea/titled.md": "---\ntitle: Black tea\n---\nWater at the boil.",
}


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder = tmp_path_factory.mktemp("restricted")
    write(folder, FILES)
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return Searcher(str(folder))


def found(searcher: Searcher, query: str, **options: object) -> set[str]:
    chosen = SearchOptions(mode="lexical", **options)  # type: ignore[arg-type]
    return {hit.path for hit in searcher.search(query, chosen).hits}


def test_a_phrase_holds_across_a_line_end_and_without_case(searcher: Searcher) -> None:
    assert found(searcher, '"Closed to lorries"') == {"right.md"}
    assert found(searcher, '"lorries closed to"') == set()
    assert found(searcher, '"水道"') == {"zh.txt"}
    assert found(searcher, '"the cafe"') == found(searcher, '"the café"') == {"plain.md", "swap.md"}
    assert found(searcher, '"sells 1234 tomatoes"') == {"plain.md"}


def test_a_phrase_that_nothing_holds_is_said(searcher: Searcher) -> None:
    result = searcher.search('"lorries closed to"', SearchOptions(mode="lexical"))
    assert result.notices == ('no passage holds "lorries closed to" as it is written',)


def test_what_is_excluded_is_left_out(searcher: Searcher) -> None:
    assert found(searcher, "lorries -noon") == {"swap.md"}
    assert found(searcher, 'lorries -"closed to lorries"') == {"swap.md"}
    assert found(searcher, "lorries -closing") == set(), "in any form"


def test_a_beginning_stands_for_its_words(searcher: Searcher) -> None:
    assert found(searcher, "tomat*") == found(searcher, "tomatoe*") == {"plain.md"}
    assert found(searcher, "lorr*") == {"right.md", "swap.md"}
    assert found(searcher, "qqq*") == set()


def test_fields_narrow_the_search(searcher: Searcher) -> None:
    assert found(searcher, "water path:tea") == {"tea/Green Tea.md", "tea/titled.md"}
    assert found(searcher, "water title:green") == {"tea/Green Tea.md"}
    assert found(searcher, 'water title:"black tea"') == {"tea/titled.md"}
    assert found(searcher, "lorries type:md") == {"right.md", "swap.md"}
    assert found(searcher, "lorries type:pdf") == set()
    with pytest.raises(UsageError, match="names no words"):
        searcher.search("type:md")


def test_without_syntax_every_character_is_text(searcher: Searcher) -> None:
    assert found(searcher, '"lorries closed to"', syntax=False) == {"right.md", "swap.md"}


def test_what_was_meant_is_searched_and_said(searcher: Searcher) -> None:
    result = searcher.search("lorrees", SearchOptions(mode="lexical"))
    assert {hit.path for hit in result.hits} == {"right.md", "swap.md"}
    assert result.notices == ('no passage holds "lorrees": did you mean "lorries"?',)
    assert found(searcher, "lorrees", correct=False) == set()
    assert found(searcher, "bolt") == set(), "too short to be a slip of another word"


def test_no_slip_is_looked_for_where_all_words_occur(searcher: Searcher, tmp_path: Path) -> None:
    assert not searcher.search("lorries noon", SearchOptions(mode="lexical")).notices
