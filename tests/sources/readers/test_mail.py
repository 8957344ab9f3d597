"""Mail in every form that programs keep it in: each message with its own properties, and what is attached."""
# ruff: noqa: E501  # sources are read as they stand

import base64
import io
from email.message import EmailMessage

import pytest

from semsearch.sources.document_types import documents, read
from tests.support.documents import line_of
from tests.support.office import word

HEAD = "From: Ada <ada@example.org>\nTo: Bo <bo@example.org>\nCc: Cleo Vance <cleo@example.org>\nSubject: Pumps\n" \
       "Date: Tue, 5 Mar 2024 09:00:00 +0100\nMIME-Version: 1.0\n"  # fmt: skip


def message(body: str = "The pump runs.", **attached: bytes) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["Subject"], made["Date"] = "ada@example.org", "Papers", "Tue, 5 Mar 2024 09:00:00 +0100"
    made.set_content(body)
    for name, data in attached.items():
        made.add_attachment(data, maintype="application", subtype="octet-stream", filename=name.replace("_", "."))
    return made


@pytest.mark.parametrize("name", ["1709.M1P7.host:2,S", "27", "Sent", "mail.eml"])
def test_a_message_is_known_by_its_headers(name: str) -> None:
    document = read(name, (HEAD + "\nThe pump runs.\n").encode())
    assert document.type == "email" and document.metadata["cc"] == "Cleo Vance <cleo@example.org>"
    assert "Cc: Cleo Vance" in document.text
    assert line_of(document, "The pump runs.") == 8


def test_text_that_only_looks_like_headers_is_text() -> None:
    for source in ("Note: x\nTo do: y\nWhere: z\n\nText\n", "From here on: a\nTo: b\n\nText\n"):
        assert read("noname", source.encode()).type == "text"


def test_apple_mail_and_its_counts() -> None:
    body = (HEAD + "\nThe pump runs.\n").encode()
    document = read("1.emlx", f"{len(body)}\n".encode() + body + b"<?xml version='1.0'?><plist><dict/></plist>")
    assert "plist" not in document.text and line_of(document, "The pump runs.") == 9


def test_each_message_of_a_mailbox_has_its_own_properties() -> None:
    first = (
        "From a@b.c Tue Mar  5 09:00:00 2024\n" + HEAD + "\nOne.\n\nFrom the start it ran.\n>From there on, too.\n\n"
    )
    second = "From - Tue Mar  5 10:00:00 2024\n" + HEAD.replace("Ada", "Dora").replace("Pumps", "Valves") + "\nTwo.\n"
    one, two = documents(io.BytesIO((first + second).encode()), "INBOX")
    assert one.type == "mbox" and (one.title, two.title) == ("Pumps", "Valves")
    assert "From the start" in one.text and "\nFrom there on" in one.text
    assert str(two.metadata["from"]).startswith("Dora")
    assert line_of(two, "Two.") == first.count("\n") + 9


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_encoded_text_has_the_lines_of_the_file(encoding: str) -> None:
    lines = [f"The {name} gauge reads höher." for name in ("north", "south", "east", "west")]
    made = EmailMessage()
    made["From"] = "a@b.c"
    made.set_content("\n".join(lines * 3), cte=encoding)
    raw = made.as_bytes().decode()
    document = read("a.eml", raw.encode())
    for number, line in enumerate(raw.split("\n"), 1):
        if encoding == "quoted-printable" and line.startswith("The south"):
            assert line_of(document, "The south") == number
            break
    assert "höher" in document.text and "=C3" not in document.text


def test_attachments_are_read_or_named() -> None:
    raw = message(
        letter_docx=word("Lease", "Signed by Tilda."), list_csv=b"item,count\nanvil,3\n", photo_png=b"\x89PNG\r\n\0\0"
    )
    document = read("a.eml", bytes(raw))
    for said in ("Signed by Tilda.", "item: anvil | count: 3", "Attachments: letter.docx, list.csv, photo.png"):
        assert said in document.text
    assert document.notice == "attached and not read: photo.png (an image (needs OCR))"
    assert base64.b64encode(b"\x89PNG")[:6].decode() not in document.text


def test_a_forwarded_message_that_is_encoded() -> None:
    inner = base64.encodebytes((HEAD + "\nThe lease was signed.\n").encode()).decode()
    raw = HEAD + 'Content-Type: multipart/mixed; boundary="x"\n\n--x\n\nsee below\n--x\nContent-Type: message/rfc822\n' \
        f"Content-Transfer-Encoding: base64\n\n{inner}\n--x--\n"  # fmt: skip
    document = read("a.eml", raw.encode())
    assert "The lease was signed." in document.text and inner[:20] not in document.text


def test_html_is_read_where_the_plain_text_says_less() -> None:
    made = message("Your program cannot show this.")
    made.add_alternative("<p>The regatta is on Saturday at noon.</p>", subtype="html")
    assert "regatta" in read("a.eml", bytes(made)).text
    made = message("The regatta is on Saturday at noon.")
    made.add_alternative("<p>The <b>regatta</b> is on Saturday at noon.</p>", subtype="html")
    assert read("a.eml", bytes(made)).text.count("regatta") == 1


def test_a_page_saved_as_mhtml() -> None:
    page = (
        'From: <Saved>\nSubject: Tides\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary="b"\n\n--b\n'
        "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<p>Die Schl=C3=BCs=\nsel</p>\n--b\n"
        "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n"
    )
    document = read("a.mhtml", page.encode())
    assert "Die Schlüssel" in document.text and "iVBOR" not in document.text and document.title == "Tides"


def test_contacts_and_calendars() -> None:
    card = read("a.vcf", b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lind;Eva\r\nNOTE:met at the\r\n  mill\\, twice\\nin May\r\nPHOTO;ENCODING=b:AAAA\r\n"
                         b"END:VCARD\r\n")  # fmt: skip
    assert "Note: met at the mill, twice in May" in card.text and "AAAA" not in card.text
    assert line_of(card, "Note") == 4
    event = read(
        "a.ics", b'BEGIN:VEVENT\nSUMMARY;LANGUAGE=en:Weir\n  inspection\nLOCATION;CN="a:b":North bank\nEND:VEVENT\n'
    )
    assert "Summary: Weir inspection" in event.text and "Location: North bank" in event.text
