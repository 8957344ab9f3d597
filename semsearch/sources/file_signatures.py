"""Recognises binary files by their first bytes and refuses those without text, with a reason for people."""

import zipfile
import zlib
from typing import BinaryIO

from semsearch.errors import ReadError

# The most bytes a document may unpack to. Real documents of 20 MB rarely have a tenth of it.
_MAX_UNPACKED_BYTES = 600_000_000

# (signature, its offset in bytes, what the file is)
_WITHOUT_TEXT = (
    (b"\x89PNG", 0, "an image"),
    (b"\xff\xd8\xff", 0, "an image"),
    (b"GIF8", 0, "an image"),
    (b"II*\0", 0, "an image"),
    (b"MM\0*", 0, "an image"),
    (b"BM", 0, "an image"),
    (b"WEBP", 8, "an image"),
    (b"8BPS", 0, "an image"),
    (b"ID3", 0, "a sound file"),
    (b"OggS", 0, "a sound file"),
    (b"fLaC", 0, "a sound file"),
    (b"WAVE", 8, "a sound file"),
    (b"ftyp", 4, "a video"),
    (b"\x1aE\xdf\xa3", 0, "a video"),
    (b"AVI ", 8, "a video"),
    (b"\x7fELF", 0, "a program"),
    (b"MZ", 0, "a program"),
    (b"SQLite format 3", 0, "a database"),
    (b"ustar", 257, "an archive: unpack it to index its files"),
    (b"7z\xbc\xaf", 0, "an archive: unpack it to index its files"),
    (b"Rar!", 0, "an archive: unpack it to index its files"),
    (b"\xfd7zXZ", 0, "a compressed file: unpack it"),
    (b"BZh", 0, "a compressed file: unpack it"),
    (b"\x28\xb5\x2f\xfd", 0, "a compressed file: unpack it"),
)
_OFFICE_FOLDERS = {"word": "docx", "ppt": "pptx", "xl": "xlsx"}
_MIMETYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.text-template": "odt",
    b"application/vnd.oasis.opendocument.text-master": "odt",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/vnd.oasis.opendocument.presentation-template": "odp",
    b"application/vnd.oasis.opendocument.graphics": "odp",
    b"application/vnd.oasis.opendocument.graphics-template": "odp",
    b"application/vnd.oasis.opendocument.spreadsheet-template": "ods",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
}
_OLE_STREAMS = {"Workbook": "xls", "Book": "xls", "__properties_version1.0": "msg"}
_OLD_OFFICE = {"WordDocument": "Word .doc", "PowerPoint Document": "PowerPoint .ppt"}


def type_of(head: bytes, file: BinaryIO, suffix: str, images: bool = False) -> str | None:
    """The document type of a binary `file` by its first bytes, `head`; None for text and unknown signatures.

    `suffix`: that of its name, with the dot; `images`: pictures are documents, too (OCR). Raises `ReadError` for files
    without text, for archives, and for documents that unpack to more than `_MAX_UNPACKED_BYTES`.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-") or (suffix == ".pdf" and b"%PDF-" in head[:1024]):
        return "pdf"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(file, suffix)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_type(file)
    if b"\0" in head or head.startswith(b"\xff\xd8\xff"):
        for signature, offset, description in _WITHOUT_TEXT:
            if head[offset : offset + len(signature)] == signature:
                if images and description == "an image" and signature != b"8BPS":
                    return "image"
                hint = " (needs OCR)" if description == "an image" else ""
                raise ReadError(f"{description}{hint}", skip=True)
    return None


def _zip_type(file: BinaryIO, suffix: str) -> str:
    """The type of a document that is a ZIP archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            names = [entry.filename for entry in entries]
            mimetype = b""
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                mimetype = archive.read("mimetype").strip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        raise ReadError(f"damaged {suffix or 'zip'} file: {error}") from None
    type_name = _MIMETYPES.get(mimetype)
    if type_name is None and "[Content_Types].xml" in names:
        folders = {name.split("/", 1)[0] for name in names}
        type_name = next((kind for folder, kind in _OFFICE_FOLDERS.items() if folder in folders), None)
    if type_name is None:
        raise ReadError("an archive: unpack it to index its files", skip=True)
    if total > _MAX_UNPACKED_BYTES:
        raise ReadError(
            f"unpacks to {total // 1_000_000:,} MB, more than {_MAX_UNPACKED_BYTES // 1_000_000}: a zip bomb?"
        )
    return type_name


def _ole_type(file: BinaryIO) -> str:
    """The type of a document in the OLE container that Office used before 2007 and Outlook uses."""
    import olefile

    try:
        with olefile.OleFileIO(file.read()) as ole:
            names = {entry[0] for entry in ole.listdir()}
    except Exception as error:  # olefile raises errors of any type on damaged files
        raise ReadError(f"damaged Office file: {type(error).__name__}: {error}") from None
    if "EncryptedPackage" in names:
        raise ReadError("encrypted Office document: save it without its password")
    for stream, kind in _OLE_STREAMS.items():
        if stream in names:
            return kind
    for stream, kind in _OLD_OFFICE.items():
        if stream in names:
            raise ReadError(f"an old {kind} file: save it as {kind[-4:]}x", skip=True)
    raise ReadError("binary file", skip=True)
