"""Makes one small document of every binary type the readers know, with the text it is told to hold."""

import gzip
import io
import json
import zipfile
from email.message import EmailMessage

import docx
import pptx
import xlsxwriter

from tests.support.pdf import make_pdf

_OFFICE = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
_TEXT = 'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
_TABLE = 'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
_DRAW = 'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'


def word(heading: str, text: str, cells: list[list[str]] | None = None, comment: str = "") -> bytes:
    document = docx.Document()
    document.core_properties.author = "Ines Aldous"
    document.add_heading(heading, 1)
    paragraph = document.add_paragraph(text)
    if comment:
        document.add_comment(paragraph.runs, comment, author="Olan")
    if cells:
        table = document.add_table(len(cells), len(cells[0]))
        for row, values in zip(table.rows, cells, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
    return _saved(document)


def slides(titles: list[str], text: str, notes: str = "") -> bytes:
    deck = pptx.Presentation()
    for title in titles:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = f"{text} {title}"
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    return _saved(deck)


def _saved(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


def sheet(rows: list[list[object]], name: str = "Berths") -> bytes:
    return workbook({name: rows})


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    """An Excel workbook of `sheets` (name -> rows)."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        for name, rows in sheets.items():
            page = book.add_worksheet(name)
            for number, row in enumerate(rows):
                page.write_row(number, 0, row)
    return stream.getvalue()


def zipped(files: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def open_document(kind: str, body: str) -> bytes:
    """`kind`: text, presentation or spreadsheet; `body`: what stands in office:body."""
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": f"<office:document-content {_OFFICE} {_TEXT} {_TABLE} {_DRAW}><office:body>"
            f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
        }
    )


def book(title: str, chapters: list[tuple[str, str]]) -> bytes:
    items = "".join(
        f'<item id="c{number}" href="c{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
            f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title><dc:creator>A. Author'
            "</dc:creator>"
            f"</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{
                f"OEBPS/c{number}.xhtml": f"<html><body><h1>{heading}</h1><p>{text}</p></body></html>"
                for number, (heading, text) in enumerate(chapters)
            },
        }
    )


def mail(subject: str, text: str, attachment: str = "") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ines Aldous <ines@example.org>", "crew@example.org", subject
    message["Date"] = "Tue, 03 Jun 2025 10:00:00 +0200"
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    if attachment:
        message.add_attachment(b"\0\1", maintype="application", subtype="octet-stream", filename=attachment)
    return message.as_bytes()


def one_of_each(text: str) -> dict[str, bytes]:
    """File name -> content of a document of every type that can be written here, each holding `text`."""
    paragraph = f"<text:p>{text}</text:p>"
    return {
        "a.docx": word("Heading", text, [["cell", "other"], ["third", "fourth"]], "a comment"),
        "a.pptx": slides(["First", "Second"], text, "a note"),
        "a.xlsx": sheet([["Name", "Text"], ["one", text], ["two", "more"]]),
        "a.odt": open_document("text", f'<text:h text:outline-level="1">Heading</text:h>{paragraph}'),
        "a.odp": open_document("presentation", f"<draw:page>{paragraph}</draw:page><draw:page>{paragraph}</draw:page>"),
        "a.ods": open_document(
            "spreadsheet", f'<table:table table:name="T"><table:table-row><table:table-cell office:value-type="string">'
            f"{paragraph}</table:table-cell></table:table-row></table:table>",
        ),
        "a.epub": book("Book", [("One", text), ("Two", "the end")]),
        "a.eml": mail("Subject", text, "plan.bin"),
        "a.mbox": b"From ines\n" + mail("First", text) + b"\nFrom ines\n" + mail("Second", text),
        "a.pdf": make_pdf([text, "second page"]),
        "a.rtf": rb"{\rtf1\ansi " + text.encode() + rb"\par}",
        "a.md": f"---\ntitle: T\n---\n# Heading\n\n{text}\n".encode(),
        "a.rst": f"Heading\n=======\n\n{text}\n".encode(),
        "a.html": f"<html><head><title>T</title></head><body><h1>H</h1><p>{text}</p></body></html>".encode(),
        "a.txt": text.encode(),
        "a.txt.gz": gzip.compress(text.encode(), mtime=0),
        "a.csv": f"name,text\none,{text}\ntwo,more\n".encode(),
        "a.json": f'{{"text": "{text}"}}'.encode(),
        "a.ipynb": json.dumps({"cells": [{"cell_type": "markdown", "source": ["# H\n", text]}]}).encode(),
        "a.xml": f'<?xml version="1.0"?><r><a>{text}</a></r>'.encode(),
        "a.rss": f"<rss><channel><item><title>T</title><link>u</link><description>{text}</description></item></channel>"
        "</rss>".encode(),
        "a.srt": f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode(),
        "a.1": f'.TH A 1\n.SH NAME\n{text}\n'.encode(),
        "a.tex": f"\\section{{Heading}}\n{text}\n".encode(),
        "a.org": f"* Heading\n{text}\n".encode(),
        "a.toml": f'[heading]\ntext = "{text}"\n'.encode(),
        "a.yaml": f"heading:\n  text: {text}\n".encode(),
        "a.py": f'def f():\n    """{text}"""\n'.encode(),
        "a.c": f"/* {text} */\nint f(void);\n".encode(),
    }  # fmt: skip
