"""What is attached to a message is read as far as files are attached to one another, and the rest is told."""

from email.message import EmailMessage

from semsearch.sources.document_types import read


def nested(levels: int) -> bytes:
    """A message with the word `deep0`; in it, as a file, one with `deep1`, and so on."""
    message = b""
    for level in reversed(range(levels)):
        outer = EmailMessage()
        outer["Subject"] = f"Level {level}"
        outer.set_content(f"deep{level}")
        if message:
            outer.add_attachment(message, maintype="application", subtype="octet-stream", filename=f"{level}.eml")
        message = outer.as_bytes()
    return message


def test_mail_that_is_attached_as_a_file_is_read_three_deep() -> None:
    document = read("a.eml", nested(8))
    assert [level for level in range(8) if f"deep{level}" in document.text.split()] == [0, 1, 2, 3]
    assert "3.eml (nested too deep)" in document.notice


def test_files_beside_one_another_are_not_nested() -> None:
    outer = EmailMessage()
    outer["Subject"] = "Many"
    outer.set_content("Here they are.")
    for number in range(9):
        outer.add_attachment(nested(2), maintype="application", subtype="octet-stream", filename=f"{number}.eml")
    document = read("a.eml", outer.as_bytes())
    assert document.text.count("deep1") == 9 and not document.notice
