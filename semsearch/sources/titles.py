"""Titles as a program left them, which name nothing: what Word, a scanner or a template wrote in a property."""

import re

_SPACE = re.compile(r"\s+")
# What stands before the name of the file that was printed.
_PRINTED_FROM = re.compile(
    r"^(?:Microsoft (?:Office )?(?:Word|PowerPoint|Excel)|OpenOffice\.org|LibreOffice)\s*[-–]\s*", re.I
)
_FILE_ENDING = re.compile(
    r"\.(?:docx?|dotx?|rtf|odt|pdf|e?ps|dvi|tex|indd|qxd|qxp|pmd|p65|pub|pptx?|xlsx?|html?|tmp|cdr)$", re.I
)
# The default titles of programs in several languages, numbered or not.
_DEFAULT = re.compile(
    r"""(?:
    untitled (?:[ -]?(?:document|page|presentation|spreadsheet|diagram|design|\d+))?
    | (?:document|no)[ ]title | no[ ]name
    | (?:ohne[ ]titel|unbenannt(?:es[ ]dokument)?|sans[ ]titre|document[ ]sans[ ]titre|sin[ ]t[ií]tulo|senza[ ]titolo)
    | (?:sem[ ]t[ií]tulo|naamloos|bez[ ](?:nazwy|n[áa]zvu)|без[ ](?:названия|имени)|無題|无标题|無標題|제목[ ]없음)
    | (?:new|neues?|nouveau|nuevo)[ ](?:document|dokument|documento|page|presentation|microsoft[ ]word[ ]document)
    | power[ ]?point[- ]?(?:presentation|präsentation|presentatie) | présentation[ ]powerpoint
    | (?:presentación|apresentação|presentazione)[ ](?:standard[ ])?(?:di|de|do)[ ]powerpoint
    | презентация[ ]powerpoint | powerpoint[ ]?プレゼンテーション | powerpoint[ ]演示文稿
    | (?:document|dokument|documento|doc|book|mappe|classeur|libro|presentation|präsentation|slide|folie|sheet|tabelle
      |page|scan|scanned[ ]document|image|img|title|titel|titre|template|blank|default|unknown|unspecified|anonymous
      |none|null|nil|n/a|tbd|todo|test)
    )[ _-]?\(?\d*\)?""",
    re.I | re.X,
)
# Accession numbers, dates of scans, identifiers: no letter, but more digits than a year has, or one word with so many.
# The number of a standard is a name.
_MOST_DIGITS = 4
_NUMBERED_NAME = re.compile(r"[A-Z]{2,}-\d")


def told_title(title: str) -> str:
    """`title` on one line as a person would say it; empty where it is one that a program left, and names nothing.

    >>> told_title("Microsoft Word - Pump manual.doc"), told_title("0001193125-18-012345"), told_title("Untitled-1")
    ('Pump manual', '', '')
    """
    said = _SPACE.sub(" ", title).strip(" \0")
    if said.startswith("(") and said.find(")") == len(said) - 1:
        said = said[1:-1].strip()
    said = _PRINTED_FROM.sub("", said)
    said = _FILE_ENDING.sub("", said).strip()
    if _DEFAULT.fullmatch(said) or not any(letter.isalnum() for letter in said):
        return ""
    digits = sum(letter.isdigit() for letter in said)
    is_word = " " not in said and not _NUMBERED_NAME.match(said)
    is_number = is_word or not any(letter.isalpha() for letter in said)
    return "" if is_number and digits > _MOST_DIGITS else said
