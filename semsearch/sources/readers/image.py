"""Pictures (PNG, JPEG, TIFF, WebP, BMP, GIF): the text that OCR reads in them; a page for each picture of a TIFF."""

import io

from semsearch.errors import ReadError
from semsearch.plurals import count_of
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.ocr import OcrLimits, OcrReader

# Pictures of more pixels are no scans, and need more memory than a reader has.
_MOST_PIXELS = 200_000_000
# The longest side that is read, in pixels: A4 at 300 dots per inch.
_LONGEST_SIDE = 3600


def read(data: bytes, type_name: str, limits: OcrLimits) -> Document:
    """The text in the picture `data`. Raises `ReadError`, with `skip`, where there is none."""
    import numpy as np
    from PIL import Image, ImageSequence

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    reader = OcrReader(limits)
    builder = DocumentBuilder(type_name)
    with Image.open(io.BytesIO(data)) as picture:
        count = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
        for number, frame in enumerate(ImageSequence.Iterator(picture), 1):
            if number > count:
                break
            shown = frame.convert("RGB")
            shown.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            text = reader.read(np.asarray(shown))
            if count > 1:
                builder.page(number)
            builder.block(text or "")
    notices = [reader.notice("")]
    if reader.left_out:
        notices.append(f"{reader.left_out} of {count_of(count, 'page')} left out: beyond the limits of OCR")
    document = builder.document(notice="; ".join(notice for notice in notices if notice))
    if not document.text.strip():
        raise ReadError("an image, no text found in it by OCR", skip=True)
    return document
