"""Contacts and calendars: each card, event and task is a document of its own, with its name, dates and lines."""

import base64
import io
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.sources.dates import document_date, parse
from semsearch.sources.document import Document
from semsearch.sources.document_types import documents, read
from tests.support.commands import Command
from tests.support.documents import line_of
from tests.support.folders import write

CALENDAR = """\
BEGIN:VCALENDAR
X-WR-CALNAME:Family
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTART:20241203T100000Z
DTEND:20241203T113000Z
SUMMARY:Grandma visits
LOCATION:Bremen\\, main station
ORGANIZER;CN=Ole Dahl:mailto:ole@example.org
CATEGORIES:Family,Train\\, bus
CREATED:20200101T000000Z
BEGIN:VALARM
DESCRIPTION:Bake a cake
TRIGGER:-P1D
END:VALARM
END:VEVENT
BEGIN:VEVENT
SUMMARY:New year
DTSTART;VALUE=DATE:20250101
END:VEVENT
BEGIN:VEVENT
DTSTART;TZID="/mozilla.org/20050126_1/Europe/Berlin":20250702T090000
SUMMARY:Boat launch
EXDATE;TZID=Pier Time:20250709T090000,20250716T090015
END:VEVENT
BEGIN:VTODO
DUE:20250301
SUMMARY:Pay the rent
END:VTODO
END:VCALENDAR
"""
CARDS = """\
BEGIN:VCARD
N:Müller;Jörg;;Dr.;
FN:Dr. Jörg Müller
TEL;TYPE=CELL,VOICE:+49 170 1234567
EMAIL;TYPE=INTERNET:joerg@example.org
ADR;TYPE=HOME:;;Deichstr. 4;Bremen;;28195;Germany
BDAY:1985-04-15T00:00:00Z
REV:20240101T000000Z
ORG:Tidal Co;Pumps
END:VCARD
BEGIN:VCARD
N:Lind;Eva;Maria
NOTE:keeps the keys
END:VCARD
"""


def all_of(name: str, text: str) -> list[Document]:
    return list(documents(io.BytesIO(text.encode()), name))


def test_each_event_and_task_is_a_document_with_its_date() -> None:
    calendar, visit, year, launch, rent = all_of("a.ics", CALENDAR)
    assert (calendar.title, calendar.text.strip()) == ("Family", "Calendar: Family")
    assert [one.title for one in (visit, year, launch, rent)] == [
        "Grandma visits", "New year", "Boat launch", "Pay the rent",
    ]  # fmt: skip
    assert all(one.own for one in (calendar, visit, year, launch, rent))
    assert visit.text.splitlines()[:2] == ["Start: 2024-12-03 10:00 UTC", "End: 2024-12-03 11:30 UTC"]
    assert "Bake a cake" in visit.text and "2020" not in visit.text
    assert dict(visit.metadata) == {
        "date": "2024-12-03T10:00:00Z", "end": "2024-12-03T11:30:00Z", "location": "Bremen, main station",
        "organizer": "Ole Dahl ole@example.org", "categories": ["Family", "Train, bus"], "calendar": "Family",
    }  # fmt: skip
    assert "Start: 2025-01-01\n" in year.text and year.metadata["date"] == "2025-01-01"
    assert "Start: 2025-07-02 09:00 Europe/Berlin\n" in launch.text
    assert document_date(launch.metadata) == parse("2025-07-02T09:00:00+02:00")
    assert "Except: 2025-07-09 09:00 Pier Time, 2025-07-16 09:00:15 Pier Time\n" in launch.text
    assert rent.metadata["date"] == rent.metadata["due"] == "2025-03-01"
    lines = CALENDAR.splitlines()
    for document, word in ((visit, "Bremen"), (launch, "Boat"), (rent, "Pay"), (visit, "Bake")):
        assert word in lines[line_of(document, word) - 1]


def test_each_card_is_a_document_with_what_people_look_for() -> None:
    joerg, eva = all_of("a.vcf", CARDS)
    assert joerg.text.strip().splitlines() == [
        "Name: Dr. Jörg Müller",
        "Phone (cell): +49 170 1234567",
        "Email: joerg@example.org",
        "Address (home): Deichstr. 4 Bremen 28195 Germany",
        "Birthday: 1985-04-15",
        "Organization: Tidal Co Pumps",
    ]
    assert dict(joerg.metadata) == {
        "phone": ["+49 170 1234567"], "email": ["joerg@example.org"], "birthday": "1985-04-15",
        "organization": "Tidal Co Pumps",
    }  # fmt: skip
    assert document_date(joerg.metadata) is None, "a birthday is no date of a document"
    assert eva.title == "Eva Maria Lind" and eva.text.startswith("Name: Eva Maria Lind\n")
    assert line_of(eva, "keys") == 13


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("BEGIN:VCARD\nFN:Eva\nBEGIN:VCARD\nFN:Ida\n", ["Eva", "Ida"]),
        ("BEGIN:VEVENT\nSUMMARY:One\nEND:VEVENT\nEND:VEVENT\nX-NOTE:no\nBEGIN:VEVENT\nSUMMARY:Two", ["One", "", "Two"]),
        ("BEGIN:VTIMEZONE\nTZNAME:CET\nBEGIN:DAYLIGHT\nBEGIN:VEVENT\nSUMMARY:Kept", ["Kept"]),
        ("BEGIN:VEVENT\nDTSTART;TZID=../../etc/passwd:20241341T990000\nSUMMARY:Odd\nEND:VEVENT", ["Odd"]),
        ("BEGIN:VEVENT\nDTSTART;TZID=Europe:20240101T090000\nSUMMARY:Folder\nEND:VEVENT", ["Folder"]),
        ("FN:Nobody begins it\n", ["Nobody begins it"]),
    ],
)  # fmt: skip
def test_files_that_are_not_as_they_should_be(text: str, titles: list[str]) -> None:
    assert [document.title for document in all_of("a.ics", text)] == titles


def test_all_of_an_attachment_is_read() -> None:
    head = 'From: a@b.c\nSubject: Crew\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    part = "--b\nContent-Type: text/vcard; name=crew.vcf\nContent-Disposition: attachment; filename=crew.vcf\n"
    plain = f"{head}{part}\n{CARDS}--b--\n"
    document = read("a.eml", plain.encode())
    assert "Jörg" in document.text and line_of(document, "keys") == plain[: plain.index("keys")].count("\n") + 1
    box = "From a@b Mon Jan  1 10:00:00 2024\nSubject: One\nTo: x\n\nOne.\n\n" * 2
    part = "--b\nContent-Type: application/mbox; name=old.mbox\nContent-Transfer-Encoding: base64\n\n"
    document = read("a.eml", f"{head}{part}{base64.encodebytes(box.encode()).decode()}--b--\n".encode())
    assert document.text.count("One.") == 2


@pytest.mark.slow
def test_they_are_found_by_name_property_and_date(semsearch: Command, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    write(folder, {"family.ics": CALENDAR, "crew.vcf": CARDS})
    index_folders([str(folder)], None, IndexOptions(model="static"))

    def titles(query: str, *flags: str) -> list[str]:
        done = semsearch("search", query, "--mode", "lexical", "--json", "-i", folder, *flags)
        return [hit["title"] for hit in done.json["results"]]

    assert titles('title:"Jörg Müller" phone') == ["Dr. Jörg Müller"]
    assert titles("start", "--where", "title=Grandma visits") == ["Grandma visits"]
    assert titles("start", "--where", "categories=family") == ["Grandma visits"]
    assert titles("start summary", "--since", "2025-06") == ["Boat launch"]
    assert set(titles("start summary", "--before", "2025-02")) == {"Grandma visits", "New year"}
    hit = semsearch("search", "bremen station", "--mode", "lexical", "-k1", "-i", folder).out.splitlines()[0]
    assert hit.endswith("family.ics:13  Grandma visits")


def test_an_event_may_say_all_in_its_alarm() -> None:
    lines = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "BEGIN:VALARM", "DESCRIPTION:Bake a cake", "END:VALARM", "END:VEVENT")
    found = list(documents(io.BytesIO("\r\n".join((*lines, "END:VCALENDAR", "")).encode()), "a.ics"))
    assert "Bake a cake" in found[-1].text
