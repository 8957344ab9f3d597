"""The addresses that links of office documents lead to, beside the text of the link."""

import re

# No longer than browsers take them: one address may be that of thousands of links.
_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|mailto:|tel:)/*([^?\s][^\s]{0,2000})", re.IGNORECASE)
_MAIL_ADDRESS = re.compile(r"\s*mailto:([^?\s]{1,2000})", re.IGNORECASE)
_FIELD = re.compile(r'\s*HYPERLINK\s+(?:"([^"]*)"|([^\s"\\]\S*))', re.IGNORECASE)


def shown_address(target: str) -> str:
    """What people call the address `target`: without its scheme, that of a mailbox without the letter's subject; empty
    for places in the document itself."""
    match = _MAIL_ADDRESS.match(target) or _ADDRESS.match(target)
    return match.group(1).rstrip("/") if match else ""


def beside(target: str, text: str) -> str:
    """The address `target` in brackets, to be set behind the `text` of its link; empty where that tells it."""
    address = shown_address(target)
    return f" ({address})" if address and address not in text else ""


def field_address(instruction: str) -> str:
    """The address in the instruction of a HYPERLINK field of Word or RTF; empty for other fields."""
    match = _FIELD.match(instruction)
    return (match.group(1) or match.group(2) or "").replace("\\\\", "\\") if match else ""
