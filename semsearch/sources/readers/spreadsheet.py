"""Excel and OpenDocument spreadsheets: each row as `header: value` pairs, under its sheet's name and row number."""

import datetime
import io

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.table_writer import TableWriter


def read(data: bytes, type_name: str) -> Document:
    """The rows of all sheets of `data`, a section for each sheet."""
    import python_calamine

    workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    builder = DocumentBuilder(type_name)
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        builder.heading(1, name, shown=False)
        table = TableWriter(builder)
        for number, row in enumerate(sheet.iter_rows(), 1):
            table.row([_shown(cell) for cell in row], number)
        table.end()
    return builder.document({"sheets": workbook.sheet_names})


def _shown(cell: object) -> str:
    """The value of a cell as a spreadsheet shows it: whole numbers without a fraction, dates in ISO 8601."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.10g}"
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
