"""A passage of several short sections tells the heading of the one in which its sentence stands."""

from dataclasses import replace

import pytest

from semsearch.retrieval.headings import heading_at
from semsearch.retrieval.hit import TextPlace
from tests.support.answer_hits import hit

TEXT = "# Ferry\n\nIt leaves at nine.\n\n# Tide\n\nIt turns at noon."


@pytest.mark.parametrize(
    ("said", "heading"), [("nine", ("Ferry",)), ("noon", ("Tide",)), ("# Ferry", ("Ferry",)), ("# Tide", ("Tide",))]
)
@pytest.mark.parametrize("type_name", ["markdown", "docx"])
def test_the_last_heading_before_the_sentence_is_told(said: str, heading: tuple[str, ...], type_name: str) -> None:
    assert heading_at(replace(hit(TEXT, heading=("Ferry; Tide",)), type=type_name), TEXT.index(said)) == heading


def test_headings_of_markdown_below_that_of_the_passage_are_told() -> None:
    text = "## Blades\n\nScrape them.\n\n### Tools\n\nA scraper.\n\n```\n# none\n```\n\n## Shaft\n\nGrease it."
    manual = hit(text, heading=("Manual",))
    at = {said: heading_at(manual, text.index(said)) for said in ("Scrape", "scraper", "none", "Grease")}
    assert at["Scrape"] == ("Manual", "Blades")
    assert at["scraper"] == at["none"] == ("Manual", "Blades", "Tools")
    assert at["Grease"] == ("Manual", "Shaft")
    assert heading_at(hit(text, heading=("Manual", "Blades")), text.index("Scrape")) == ("Manual", "Blades")
    assert heading_at(replace(manual, type="text"), text.index("Grease")) == ("Manual",)


@pytest.mark.parametrize(
    ("heading", "title"),
    [(("Manual", "Pumps"), ""), (("Ferry",), ""), ((), ""), (("Ferry; Boats",), ""), (("Ferry; Tide",), "Ferry; Tide")],
)
def test_what_is_not_known_stays(heading: tuple[str, ...], title: str) -> None:
    assert heading_at(replace(hit(TEXT, heading=heading), title=title, type="docx"), len(TEXT) - 1) == heading


def test_rows_that_begin_anew_are_of_the_next_sheet() -> None:
    text = "Name: Mira\nName: Ines\nName: Bo"
    places = (TextPlace(0, None, 2), TextPlace(text.index("Name: Bo"), None, 2))
    sheets = replace(hit(text, heading=("Boats; Crew",)), places=places, type="xlsx")
    assert heading_at(sheets, 0) == ("Boats",) and heading_at(sheets, len(text) - 1) == ("Crew",)
    unsure = replace(sheets, heading=("Boats; Crew; Ports",))
    assert heading_at(unsure, 0) == unsure.heading
