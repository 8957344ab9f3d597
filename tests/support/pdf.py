"""Makes small PDFs of text, from the file format's own few objects."""

import io

import pypdf


def make_pdf(pages: list[str], title: str = "") -> bytes:
    """A PDF with one page for each of `pages` (Latin-1 text; "" gives a page without text)."""
    streams = []
    for text in pages:
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        lines = " T* ".join(f"({line}) Tj" for line in escaped.split("\n"))
        streams.append(f"BT /F1 12 Tf 14 TL 72 720 Td {lines} ET" if text else "")
    return pdf_of(streams, title)


def table_page(before: str, rows: list[list[str]], apart: bool) -> str:
    """The content of a page with a line of text and a table of `rows`; `apart`: each cell has a matrix of its own and
    ends its line, as in PDFs of reports, so that pypdf takes it for a line; else pypdf puts a blank between cells."""
    content = [f"BT /F1 12 Tf 60 760 Td ({before}) Tj ET"]
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            x, y = 60 + 130 * column, 730 - 20 * number
            place = f"1 0 0 1 {x} {y} Tm ({cell}) Tj T*" if apart else f"{x} {y} Td ({cell}) Tj"
            content.append(f"BT /F1 10 Tf 12 TL {place} ET")
    return "\n".join(content)


def pdf_of(streams: list[str], title: str = "") -> bytes:
    """A PDF with one page for each of `streams`, the operators that draw it (Latin-1) in the font /F1."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(streams)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(streams):
        stream = content.encode("latin-1")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
            f" /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    info = ""
    if title:
        objects.append(f"<< /Title ({title}) >>".encode("latin-1"))
        info = f" /Info {len(objects)} 0 R"
    data, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R{info} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(data)


def encrypted(text: str, password: str, algorithm: str = "RC4-128") -> bytes:
    """A PDF of one page that `password` opens ("": anybody)."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf([text])))
    writer.encrypt(password, algorithm=algorithm)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()
