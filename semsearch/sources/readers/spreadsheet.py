"""Excel workbooks in binary (.xls, .xlsb): each row as `header: value` pairs, under its sheet's name and row number."""

import datetime
import io

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.number_format import elapsed, plain_number
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
        if table.is_empty:
            builder.lines(name, 1)
    return builder.document({"sheets": workbook.sheet_names})


def _shown(cell: object) -> str:
    """The value of a cell as a spreadsheet shows it: whole numbers without a fraction, dates in ISO 8601."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return plain_number(cell)
    if isinstance(cell, datetime.timedelta):
        seconds = round(cell.total_seconds())
        return elapsed(seconds, seconds % 60 > 0)
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
