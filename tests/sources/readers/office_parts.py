"""Office files of XML that is written down as it stands."""
# ruff: noqa: E501  # XML is read as it stands

import io
import zipfile
from collections.abc import Mapping

from semsearch.sources.document import Document
from semsearch.sources.document_types import read

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = f'xmlns:r="{OFFICE}"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" {A}><c:chart><c:title><c:tx><c:rich>'
    "<a:p><a:r><a:t>Swifts by month</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:{kind}><c:ser><c:tx>"
    "<c:strRef><c:strCache><c:pt idx='0'><c:v>Tower</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat><c:strRef>"
    "<c:strCache><c:pt idx='0'><c:v>May</c:v></c:pt><c:pt idx='1'><c:v>June</c:v></c:pt></c:strCache></c:strRef></c:cat>"
    "<c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>12</c:v></c:pt><c:pt idx='1'><c:v>31</c:v></c:pt></c:numCache>"
    "</c:numRef></c:val></c:ser></c:{kind}></c:plotArea></c:chart></c:chartSpace>"
)


def chart(kind: str) -> str:
    return CHART.replace("{A}", A).replace("{kind}", kind)


def changed(data: bytes, parts: Mapping[str, str], replaced: Mapping[str, tuple[str, str]] | None = None) -> bytes:
    """The Office file `data` with more `parts`, and with texts in parts replaced."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if replaced and name in replaced:
                before, after = (text.encode() for text in replaced[name])
                assert before in content, name
                content = content.replace(before, after, 1)
            if name not in parts:
                new.writestr(name, content)
        for name, text in parts.items():
            new.writestr(name, text)
    return stream.getvalue()


def docx(
    body: str, relations: Mapping[str, tuple[str, str]] | None = None, parts: Mapping[str, str | bytes] | None = None
) -> Document:
    """A Word file of the XML `body`; `relations`: id -> (kind, target)."""
    rows = "".join(
        f'<Relationship Id="{number}" Type="{OFFICE}/{kind}" Target="{target}"'
        + (' TargetMode="External"/>' if "://" in target or target.startswith("mailto:") else "/>")
        for number, (kind, target) in (relations or {}).items()
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr(
            "_rels/.rels",
            f'<Relationships><Relationship Id="a" Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        )
        file.writestr("word/document.xml", f"<w:document {W} {R} {A}><w:body>{body}</w:body></w:document>")
        file.writestr("word/_rels/document.xml.rels", f"<Relationships>{rows}</Relationships>")
        for name, text in (parts or {}).items():
            file.writestr(name, text)
    return read("a.docx", stream.getvalue())


def p(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
