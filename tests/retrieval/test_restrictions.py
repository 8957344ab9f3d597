from pathlib import Path

import pytest

from semsearch.errors import UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.records import Filters
from tests.support.folders import write
from tests.support.searching import searcher_of

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
    return searcher_of(tmp_path_factory.mktemp("restricted"), FILES)


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


def test_a_phrase_of_one_word_is_that_word_as_it_is_written(searcher: Searcher) -> None:
    assert found(searcher, "lorry") == found(searcher, "Lorries") == {"right.md", "swap.md"}
    assert found(searcher, '"Lorries"') == {"right.md", "swap.md"}
    assert found(searcher, '"lorry"') == set()
    assert found(searcher, 'lorries -"lorry"') == {"right.md", "swap.md"}
    assert found(searcher, 'sells "cafés"') == set()


def test_a_phrase_of_function_words_is_no_less_a_phrase(searcher: Searcher) -> None:
    assert found(searcher, 'mole "is what the"') == {"swap.md"}


def test_what_is_excluded_is_left_out(searcher: Searcher) -> None:
    assert found(searcher, "lorries -noon") == {"swap.md"}
    assert found(searcher, 'lorries -"closed to lorries"') == {"swap.md"}
    assert found(searcher, "lorries -closing") == set(), "in any form"
    assert found(searcher, "lorries -clos*") == set()
    assert found(searcher, "lorries -noo*") == {"swap.md"}


def test_a_beginning_stands_for_its_words(searcher: Searcher) -> None:
    assert found(searcher, "tomat*") == found(searcher, "tomatoe*") == {"plain.md"}
    assert found(searcher, "lorr*") == {"right.md", "swap.md"}
    assert found(searcher, "qqq*") == set()
    assert found(searcher, "水道*") == found(searcher, "水道")


def test_a_beginning_is_of_words_as_they_are_written(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.txt": "Years of experience count.", "b.txt": "The experiments count.", "c.txt": "A café counts."}
    )
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as own:
        for beginning in ("experi", "experie", "experien", "experience"):
            assert "a.txt" in found(own, beginning + "*"), beginning
        assert found(own, "experience*") == {"a.txt"} and found(own, "experiments*") == {"b.txt"}
        assert found(own, "count -experience*") == {"b.txt", "c.txt"}
        assert found(own, "cafe*") == found(own, "Café*") == {"c.txt"}


def test_a_beginning_is_of_no_stem(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "The study of items.", "b.txt": "O'Brien and other items of l'eau."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as own:
        assert found(own, "studi*") == set() and found(own, "stud*") == {"a.txt"}
        assert found(own, "items -studi*") == {"a.txt", "b.txt"}
        assert found(own, "O'Br*") == found(own, "l'ea*") == {"b.txt"}


def test_all_words_with_an_excluded_beginning_are_excluded(tmp_path: Path) -> None:
    words = [f"con{''.join(chr(97 + int(digit)) for digit in str(number))}" for number in range(2500)]
    write(tmp_path, {f"{number}.txt": " ".join([*words[number::50], "pump"]) for number in range(50)})
    write(tmp_path, {"rare.txt": f"pump {words[0]}q", "none.txt": "pump"})
    index_folders([str(tmp_path)], None, IndexOptions(embed=False))
    with Searcher(str(tmp_path)) as own:
        assert found(own, "pump -con*") == {"none.txt"}


def test_fields_narrow_the_search(searcher: Searcher) -> None:
    assert found(searcher, "water path:tea") == {"tea/Green Tea.md", "tea/titled.md"}
    assert found(searcher, "water title:green") == {"tea/Green Tea.md"}
    assert found(searcher, 'water title:"black tea"') == {"tea/titled.md"}
    assert found(searcher, "lorries type:md") == {"right.md", "swap.md"}
    assert found(searcher, "lorries type:pdf") == set()
    assert found(searcher, "water title:titled.md") == {"tea/titled.md"}, "with its suffix"
    assert found(searcher, "water -path:tea") == found(searcher, "water -title:green -title:titled") == set()
    assert found(searcher, "water -title:green") == {"tea/titled.md"}
    assert found(searcher, "lorries -type:md") == set()
    nowhere = SearchOptions(mode="lexical", filters=Filters(where=(("color", "red"),)))
    assert searcher.search("water", nowhere).notices == ("the filters let in no indexed file",)
    assert searcher.search("water title:coffee").notices[0] == "title:coffee matches no indexed file"
    both = searcher.search("water type:md path:zh.txt", SearchOptions(mode="lexical"))
    assert both.notices == ("the filters let in no indexed file",), "not that of the path"
    assert not searcher.search("water -path:nowhere", SearchOptions(mode="lexical")).notices
    only_fields = searcher.search("type:md")
    assert not only_fields.hits and "the query has no word to look for" in only_fields.notices[0]
    with pytest.raises(UsageError, match="has no word to look for"):
        searcher.standing("type:md", "right.md")


def test_without_syntax_every_character_is_text(searcher: Searcher) -> None:
    assert found(searcher, '"lorries closed to"', syntax=False) == {"right.md", "swap.md"}


def test_a_phrase_is_read_as_its_words_are(tmp_path: Path) -> None:
    write(tmp_path, {
        "a.md": "The **re**stored build\nis out, and don't for-\nget l'eau fraîche of the Wi-Fi's box.",
        "b.tex": "Gr\\\"un und bl\\\"au",
    })  # fmt: skip
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as own:
        for phrase in ("restored build", "and don't forget", "eau fraîche", "l'eau fraîche", "the wi-fi's box"):
            assert found(own, f'"{phrase}"') == {"a.md"}, phrase
        assert found(own, '"grün und"') == {"b.tex"}


def test_what_is_told_of_a_phrase_is_its_sentence(tmp_path: Path) -> None:
    text = "The red barn door is old, red and a barn.\nNothing here.\nA door of red oak.\nThe red\nbarn door."
    write(tmp_path, {"a.txt": text + "\n\nA barn: red door, barn, red."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as own:
        (hit,) = own.search('"of red oak"', SearchOptions(mode="lexical")).hits
        assert hit.place_at(hit.told)[1] == 3


def test_a_file_stands_where_some_of_its_passages_are_let_in(tmp_path: Path) -> None:
    long = "\n\n".join(f"Paragraph {number} tells of the pump and its {number}th valve." * 9 for number in range(40))
    write(tmp_path, {"long.txt": "The pump was broken by a storm.\n\n" + long})
    index_folders([str(tmp_path)], None, IndexOptions(embed=False))
    with Searcher(str(tmp_path)) as own:
        for query in ('"pump was broken by"', "pump -storm"):
            found_at = own.standing(query, "long.txt")
            assert found_at is not None and found_at.hit.rank == 1, query
        assert own.standing("pump -valve -storm", "long.txt") is None
