"""Mail in every form that programs keep it in: each message with its own properties, and what is attached."""
# ruff: noqa: E501  # sources are read as they stand

import base64
import io
import quopri
import re
import time
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.document_types import documents, read
from tests.support.documents import line_of
from tests.support.office import word
from tests.support.outlook import outlook

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
    for said in ("Signed by Tilda.", "item: anvil | count: 3", "Attached: letter.docx", "Attached: photo.png"):
        assert said in document.text
    assert document.notice == "attached and not read: photo.png (an image (needs OCR))"
    assert base64.b64encode(b"\x89PNG")[:6].decode() not in document.text


def test_all_of_an_attached_mailbox_or_long_text_is_read() -> None:
    begin = "From a@b.c Tue Mar  5 09:00:00 2024\n"
    box = "\n".join(f"{begin}{HEAD}\nMessage {number}.\n" for number in range(3))
    long_text = "a line of a log\n" * 300_000 + "the end\n"
    document = read("a.eml", bytes(message(box_mbox=box.encode(), long_txt=long_text.encode())))
    assert all(f"Message {number}." in document.text for number in range(3)) and "the end" in document.text
    assert document.notice == ""


def test_what_is_missing_in_an_attached_file_is_told() -> None:
    damaged = "First.\n\u00e9\u00e8\u00e9\n".encode() + b"\xff\n"
    inner = message(odd_txt=damaged, photo_png=b"\x89PNG\0\0\0\0")
    outer = message()
    outer.add_attachment(inner)
    for mail in (inner, outer):
        notice = read("a.eml", bytes(mail)).notice
        assert "attached and not read: photo.png (an image (needs OCR))" in notice
        assert "odd.txt: bytes that are not UTF-8 in line 3" in notice


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


# Words that occur once, and no part of another.
TREES = "alder birch cedar damson elder gorse hazel juniper larch maple nettle oak poplar quince rowan spruce".split()  # noqa: SIM905


@st.composite
def sentences(draw: st.DrawFn, words: list[str]) -> list[str]:
    """Lines, some empty, with one of `words` in each that is not."""
    lines = [""] * draw(st.integers(0, 2))
    for tree in words:
        lines.append(
            draw(st.sampled_from(["", "é ", "it cost a £ ", "mit Öl und über "]))
            + f"the {tree} hedge"
            + " or so" * draw(st.integers(0, 30))
        )
        lines += [""] * draw(st.integers(0, 2))
    return lines


@st.composite
def leaf(draw: st.DrawFn, words: list[str]) -> bytes:
    """A text part in some encoding."""
    charset = draw(st.sampled_from(["utf-8", "iso-8859-1", "cp1252"]))
    is_page = draw(st.booleans())
    lines = draw(sentences(words))
    text = (
        "<html><body>" + "".join(f"<p>{line}</p>" for line in lines) + "</body></html>"
        if is_page
        else "\n".join(lines) + "\n"
    )
    encoding = draw(st.sampled_from(["8bit", "quoted-printable", "base64"]))
    raw = text.encode(charset)
    if encoding == "quoted-printable":
        raw = quopri.encodestring(raw)
    elif encoding == "base64":
        raw = base64.encodebytes(raw)
    declared = draw(st.sampled_from([f"; charset={charset}", f';\n\tcharset="{charset}"']))
    head = f"Content-Type: text/{'html' if is_page else 'plain'}{declared}\nContent-Transfer-Encoding: {encoding}\n"
    return head.encode() + b"\n" + raw


@st.composite
def entity(draw: st.DrawFn, words: list[str], depth: int = 0) -> bytes:
    """A part with `words` in it: one text, or several, or attached messages."""
    kind = draw(st.sampled_from(["leaf", "mixed", "message"] if depth < 3 and len(words) > 1 else ["leaf"]))
    if kind == "message":
        head = f"From: ada@example.org\nSubject: about\n {words[0]}\n"
        return b"Content-Type: message/rfc822\n\n" + head.encode() + draw(entity(words[1:], depth + 1))
    if kind == "leaf":
        return draw(leaf(words))
    cut = draw(st.integers(1, len(words) - 1))
    boundary = f"=_b{depth}_"
    parts = [draw(entity(some, depth + 1)) for some in (words[:cut], words[cut:])]
    body = b"".join(f"--{boundary}\n".encode() + part + b"\n" for part in parts)
    return f'Content-Type: multipart/mixed;\n boundary="{boundary}"\n\n'.encode() + body + f"--{boundary}--\n".encode()


@given(st.data())
def test_each_word_of_a_message_is_told_in_its_line(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(TREES), min_size=1, max_size=8, unique=True))
    head = data.draw(st.sampled_from(["", "\n\n", "\ufeff"])) + HEAD
    raw = head.encode() + data.draw(entity(words))
    encoded = b"base64" in raw
    if data.draw(st.booleans()):
        raw = raw.replace(b"\n", b"\r\n")
    document = read("a.eml", raw)
    assert document.title == "Pumps" and document.metadata["from"] == "Ada <ada@example.org>"
    # A line break in quoted-printable may stand within a word.
    lines = raw.decode("latin-1").split("\n")
    for tree in words:
        assert len(re.findall(rf"\b{tree}\b", document.text)) == 1, "nothing is lost, nothing twice"
        told = line_of(document, tree)
        begun = lines[told - 1].rstrip("\r").removesuffix("=") + [*lines, ""][told]
        if not encoded:
            assert tree in begun and not begun.startswith(lines[told - 1].rstrip("\r") + tree)
    for said in ("é the", "a £ the", "mit Öl und über the"):
        assert document.text.count(said) <= len(words)
    assert "\ufffd" not in document.text


@given(st.lists(st.sampled_from(TREES), min_size=1, unique=True), st.integers(1, 70), st.booleans(), st.booleans())
def test_words_in_base64_are_told_in_the_line_that_encodes_them(
    words: list[str], width: int, is_page: bool, crlf: bool
) -> None:
    text = " ".join(f"über {word}," for word in words)
    encoded = base64.b64encode((f"<p>{text}</p>" if is_page else text).encode()).decode()
    body = "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
    raw = (
        HEAD
        + f"Content-Type: text/{'html' if is_page else 'plain'}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{body}\n"
    )
    document = read("a.eml", raw.replace("\n", "\r\n" if crlf else "\n").encode())
    first = raw.count("\n", 0, raw.index("\n\n")) + 3
    content = (f"<p>{text}</p>" if is_page else text).encode()
    for tree in words:
        # Three bytes are four letters.
        begin = content.index(tree.encode())
        assert line_of(document, tree) == first + begin * 4 // 3 // width


def test_a_long_message_keeps_its_lines() -> None:
    body = "".join(f"Entry x{number}z of the log =C3=A9 goes o=\nn here.\n" for number in range(20_000))
    raw = HEAD + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + body
    document = read("a.eml", raw.encode())
    lines = raw.split("\n")
    for number in (0, 9_999, 19_999):
        assert f"x{number}z" in lines[line_of(document, f"x{number}z") - 1]


@pytest.mark.parametrize("charset", ["idna", "punycode", "unicode_escape", "nonsense", "x\0y", "hex", "=?utf-8?q?x?="])
def test_a_charset_that_is_none(charset: str) -> None:
    raw = HEAD + f'Content-Type: text/plain; charset="{charset}"\n\nThe weir holds.\n'
    assert "The weir holds." in read("a.eml", raw.encode()).text


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit", "uuencode", "nonsense"])
def test_bytes_that_do_not_fit_their_encoding(encoding: str) -> None:
    raw = (
        HEAD.encode()
        + f"Content-Type: text/plain\nContent-Transfer-Encoding: {encoding}\n\n".encode()
        + b"caf\xe9 \xff\xfe\n"
    )
    assert read("a.eml", raw).title == "Pumps"


def test_letters_in_headers_as_they_are() -> None:
    raw = "From: Jörg <j@example.org>\nSubject: Grüße aus\n dem Süden\n\nText\n"
    for encoding in ("utf-8", "latin-1"):
        document = read("a.eml", raw.encode(encoding))
        assert document.title == "Grüße aus dem Süden" and line_of(document, "Süden") == 3


def test_what_is_attached_is_named_and_told_in_its_lines() -> None:
    parts = [
        'Content-Type: text/plain;\n name="list.txt"\nContent-Disposition: attachment; filename=list.txt\n\nanvil\n\nbellows\n',
        "Content-Type: text/csv; name=a.csv\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: attachment\n\nitem,n\nchi=\nsel,4\ntongs,5\n",
        "Content-Type: message/delivery-status\n\nDiagnostic-Code: smtp; 550 mailbox frozen\n",
    ]  # fmt: skip
    raw = HEAD + "Content-Type: multipart/mixed; boundary=x\n\n" + "".join(f"--x\n{part}" for part in parts) + "--x--\n"
    document = read("a.eml", raw.encode())
    lines = raw.split("\n")
    for said in ("list.txt", "anvil", "bellows", "a.csv", "tongs", "frozen"):
        assert document.text.count(said) == 1 and said in lines[line_of(document, said) - 1]
    assert document.metadata["attachments"] == ["list.txt", "a.csv"]


def test_a_signature_is_no_text() -> None:
    signed = "Content-Type: text/plain\n\nThe weir holds.\n"
    signature = (
        "Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN PGP SIGNATURE-----\nQUJDREVG\n"
    )
    document = read("a.eml", (HEAD + several("signed", "s", signed, signature)).encode())
    assert "The weir holds." in document.text and "QUJD" not in document.text
    assert document.notice == "attached and not read: signature.asc (a signature or key)"


PAGE = "Content-Type: text/html; charset=utf-8\n\n<p>The regatta is on Saturday at noon.</p>\n"
PICTURE = "Content-Type: image/png; name=sail.png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n"
INVITATION = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Boat launch\nLOCATION:North slip\nEND:VEVENT\nEND:VCALENDAR\n"


def several(kind: str, boundary: str, *parts: str) -> str:
    return (
        f"Content-Type: multipart/{kind}; boundary={boundary}\n\n"
        + "".join(f"--{boundary}\n{part}" for part in parts)
        + f"--{boundary}--\n"
    )


def test_a_page_with_its_pictures_beside_a_plain_text() -> None:
    related = several("related", "r", PAGE, PICTURE)
    for beside, told in (("Your program cannot show this.", 1), ("The regatta is on Saturday at noon.", 1)):
        document = read(
            "a.eml", (HEAD + several("alternative", "a", f"Content-Type: text/plain\n\n{beside}\n", related)).encode()
        )
        assert document.text.count("regatta") == told and beside in document.text
        assert document.metadata["attachments"] == ["sail.png"]


def test_a_count_that_no_message_has() -> None:
    assert "9999" in read("a.eml", ("9" * 5000 + "\n" + HEAD + "\nText.\n").encode()).text


def test_an_invitation_is_read_once() -> None:
    shown = f"Content-Type: text/calendar; method=REQUEST\n\n{INVITATION}"
    attached = "Content-Type: application/ics; name=invite.ics\nContent-Disposition: attachment; filename=invite.ics\n" \
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(INVITATION.encode()).decode()}"  # fmt: skip
    plain = "Content-Type: text/plain\n\nThe regatta is on Saturday at noon.\n"
    raw = HEAD + several("mixed", "m", several("alternative", "a", plain, PAGE, shown), attached)
    document = read("a.eml", raw.encode())
    for said in ("regatta", "Summary: Boat launch", "Location: North slip", "invite.ics"):
        assert document.text.count(said) == 1
    assert line_of(document, "North slip") == raw[: raw.index("North slip")].count("\n") + 1


def test_one_message_that_cannot_be_read_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from semsearch.sources.readers import mbox

    def add_message(builder: object, data: bytes, line: int) -> tuple[dict[str, object], str]:
        if b"Valves" in data:
            raise ValueError("no such valve")
        return whole(builder, data, line)  # type: ignore[arg-type]

    whole = mbox.add_message
    monkeypatch.setattr(mbox, "add_message", add_message)
    begin = "From a@b.c Tue Mar  5 09:00:00 2024\n"
    box = "\n".join(begin + HEAD.replace("Pumps", subject) + "\nText.\n" for subject in ("Pumps", "Valves", "Weirs"))
    one, two, three = documents(io.BytesIO(box.encode()), "a.mbox")
    assert (one.title, three.title) == ("Pumps", "Weirs")
    assert (
        "Subject: Valves" in two.text
        and two.notice.startswith("message in line 12 not read:")
        and "no such valve" in two.notice
    )


@pytest.mark.parametrize(
    "header",
    [
        "Subject: " + "=?utf-8?q?a?=" * 60_000,
        "Subject: " + "\n ".join(["=?utf-8?q?K=C3=A4ra_hamn?="] * 15_000),
        "Cc: " + ",\n ".join(f"Ada {number} <a{number}@example.org>" for number in range(50_000)),
    ],
)
def test_a_header_of_a_million_letters_leaves_the_other_messages(header: str) -> None:
    began = time.process_time()
    begin = "From a@b.c Tue Mar  5 09:00:00 2024\n"
    heads = [HEAD, HEAD.replace("Cc: Cleo Vance <cleo@example.org>\nSubject: Pumps", header), HEAD]
    box = "\n".join(f"{begin}{head}\nText {number}.\n" for number, head in enumerate(heads))
    first, second, third = documents(io.BytesIO(box.encode()), "a.mbox")
    assert first.title == third.title == "Pumps" and second.text.endswith("Text 1.\n\n")
    assert "=?" not in second.text and ("Kära hamn" in second.text) == ("=C3" in header)
    assert line_of(second, "Text 1.") == box[: box.index("Text 1.")].count("\n") + 1
    assert time.process_time() - began < 20


def test_messages_begin_where_a_program_left_out_the_empty_line() -> None:
    begin = "From a@b.c Tue Mar  5 09:00:00 2024\n"
    box = begin + HEAD + "\nOne.\nFrom Tuesday at 10:30 on: all\n" + begin + HEAD.replace("Pumps", "Weirs") + "\nTwo.\n"
    one, two = documents(io.BytesIO(("\ufeff" + box).encode()), "a.mbox")
    assert "From Tuesday" in one.text and two.title == "Weirs" and line_of(two, "Two.") == 19


def test_a_long_line_that_begins_as_a_message_does_takes_no_time() -> None:
    began = time.process_time()
    box = "From a@b Mon Jan  1 10:00:00 2024\nA: b\n\n\nFrom " + "a@" * 100_000 + "\n"
    assert "a@a@" in next(documents(io.BytesIO(box.encode()), "a.mbox")).text
    assert time.process_time() - began < 5


def test_a_message_after_empty_lines_is_known() -> None:
    document = read("Sent", ("\ufeff\n\n" + HEAD + "\nThe pump runs.\n").encode())
    assert document.type == "email" and document.title == "Pumps" and line_of(document, "The pump runs.") == 10


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


def test_who_is_invited_is_named() -> None:
    event = (
        'BEGIN:VEVENT\nSUMMARY:Launch\nATTENDEE;CN="Berg, Tove: crew";ROLE=REQ-PARTICIPANT:mailto:tove@example.org\n'
        "ORGANIZER;CN=Ole\n  Dahl:mailto:ole@example.org\nATTENDEE;CN=ida@example.org:mailto:ida@example.org\nEND:VEVENT\n"
    )
    document = read("a.ics", event.encode())
    assert (
        "Attendee: Berg, Tove: crew mailto:tove@example.org\nOrganizer: Ole Dahl mailto:ole@example.org"
        in document.text
    )
    assert document.text.count("ida@") == 1 and line_of(document, "Dahl") == 5


def test_a_description_that_is_a_page() -> None:
    page = "X-ALT-DESC;FMTTYPE=text/html:<html><body><p>Bring <b>oars</b>\n  and bread</p></body></html>\n"
    assert "oars" not in read("a.ics", f"BEGIN:VEVENT\nDESCRIPTION:Bring something\n{page}END:VEVENT\n".encode()).text
    document = read("a.ics", f"BEGIN:VEVENT\nSUMMARY:Launch\n{page}END:VEVENT\n".encode())
    assert "Description: Bring oars and bread\n" in document.text and line_of(document, "bread") == 4
    assert "Bring oars\n" in read("a.ics", b"BEGIN:VEVENT\nDESCRIPTION:<p>Bring<br>oars</p>\nEND:VEVENT\n").text


def test_a_description_that_is_folded_within_a_tag() -> None:
    page = '<p>one two</p><div class="ferry ti\n mes" id="the"><p>three alpha\n  beta the end of the page</p></div>'
    document = read("a.ics", f"BEGIN:VEVENT\nSUMMARY:Launch\nDESCRIPTION:{page}\nEND:VEVENT\n".encode())
    assert "one two three alpha beta the end" in document.text
    assert [line_of(document, word) for word in ("one", "three", "alpha", "beta", "the end")] == [3, 4, 4, 5, 5]


@given(st.data())
def test_words_of_folded_lines_are_told_in_their_lines(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(TREES), min_size=1, unique=True))
    # A fold, as programs make it: anywhere.
    value = "\\n".join(f"the {tree}\\, long\\; hedge" for tree in words)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(value) - 1), max_size=12)))
    parts = [value[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(value)], strict=True)]
    source = "BEGIN:VCARD\nFN:Eva\nNOTE:" + "\n ".join(parts) + "\nEND:VCARD\n"
    document = read("a.vcf", source.encode())
    assert "Note: " + " ".join(f"the {tree}, long; hedge" for tree in words) in document.text
    for tree in words:
        begin = value.index(tree)
        assert line_of(document, tree) == 3 + sum(cut <= begin for cut in cuts)


@pytest.mark.parametrize("parameter", [';"a"', ';a="b"c', ';N;A="', ';"'])
def test_odd_parameters_take_no_time(parameter: str) -> None:
    began = time.process_time()
    assert "Eva" in read("a.vcf", f"BEGIN:VCARD\nN{parameter * 2000}\nFN:Eva\nEND:VCARD\n".encode()).text
    assert time.process_time() - began < 5


SUBJECT, SENDER, BODY, PAGE_BODY, CODE_PAGE, TRANSPORT = 0x0037, 0x0C1A, 0x1000, 0x1013, 0x3FDE, 0x007D
LONG_NAME, SHORT_NAME, DATA = 0x3707, 0x3704, 0x3701


@pytest.mark.parametrize(
    ("code_page", "encoding"), [(1252, "cp1252"), (65001, "utf-8"), (1251, "cp1251"), (932, "cp932")]
)
def test_the_page_of_an_outlook_message(code_page: int, encoding: str) -> None:
    said = {"cp1251": "маяк", "cp932": "灯台"}.get(encoding, "Gästehäuser")
    page = f"<html><head><meta charset=windows-1252></head><p>{said} on the shore</p>".encode(encoding)
    document = read("a.msg", outlook({SUBJECT: "Lights", CODE_PAGE: code_page, PAGE_BODY: page}))
    assert document.type == "msg" and f"{said} on the shore" in document.text
    document = read("a.msg", outlook({SUBJECT: "Lights", BODY: "Not here.", CODE_PAGE: code_page, PAGE_BODY: page}))
    assert "Not here." in document.text and document.text.count(said) == 1
    same = outlook({SUBJECT: "Lights", BODY: f"{said} on the shore", CODE_PAGE: code_page, PAGE_BODY: page})
    assert read("a.msg", same).text.count(said) == 1


def test_odd_bytes_in_an_outlook_message() -> None:
    headers = "From: =?x-none?q?J=F6rg?= <j@example.org>\r\nTo: bo@example.org\r\n"
    properties = {SUBJECT: "Lights", TRANSPORT: headers, CODE_PAGE: 1252, PAGE_BODY: b"<p>caf\xe9 \x81 lights</p>"}
    document = read("a.msg", outlook(properties))
    assert "lights" in document.text and "j@example.org" in document.text


def test_what_is_attached_to_an_outlook_message() -> None:
    files = [
        {LONG_NAME: "list.csv", DATA: b"item,count\nanvil,3\n"},
        {SHORT_NAME: "NOTE.TXT", DATA: b"A short note."},
        {LONG_NAME: "photo.png", DATA: b"\x89PNG\r\n\0\0"},
    ]
    inner = {SUBJECT: "The older one", SENDER: "Ada", BODY: "The weir holds."}
    document = read("a.msg", outlook({SUBJECT: "Lights", BODY: "See below."}, files, inner))
    for said in (
        "list.csv",
        "item: anvil | count: 3",
        "NOTE.TXT",
        "A short note.",
        "photo.png",
        "The older one",
        "The weir holds.",
    ):
        assert document.text.count(said) == 1
    assert document.title == "Lights"
    assert document.notice == "attached and not read: photo.png (an image (needs OCR))"
