"""Characters of fonts that have pictures in the places of letters: what `ü` of Wingdings shows is a check mark."""

_FIRST_PRIVATE, _LAST_PRIVATE = 0xF000, 0xF0FF


def _places(first: int, characters: str) -> dict[int, str]:
    """Places from `first` on; a blank stands for one that has no character in Unicode, or a rare one."""
    return {first + place: one for place, one in enumerate(characters) if one != " "}


_SYMBOL = (
    _places(0x20, " !∀#∃%&∋()∗+,−./0123456789:;<=>?")
    | _places(0x40, "≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_")
    | _places(0x61, "αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼")
    | _places(0xA0, "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…  ↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑")
    | _places(0xF1, "⟩∫")
    | {0x20: " "}
)
_WINGDINGS = (
    {0x20: " ", 0x22: "✂", 0x28: "☎", 0x2A: "✉", 0x3F: "✍", 0x45: "☜", 0x46: "☞", 0x47: "☝", 0x4A: "☺", 0x4C: "☹"}
    | {0x4E: "☠", 0x52: "☼", 0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x72: "❒", 0x75: "◆", 0x76: "❖", 0x77: "◆"}
    | _places(0x80, "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿")
    | {0x9E: "·", 0x9F: "•", 0xA7: "▪", 0xA8: "□", 0xAB: "★", 0xD5: "⌫", 0xD8: "➢", 0xE8: "➔"}
    | _places(0xDF, "←→↑↓↖↗↙↘")
    | _places(0xEF, "⇐⇒⇑⇓⇔")
    | _places(0xFB, "✗✓☒☑")
)
_WINGDINGS_2 = {0x20: " ", 0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0xA3: "□"}
_WINGDINGS_3 = {0x20: " "} | _places(0x66, "←→↑↓↖↗↙↘↔↕") | {0x70: "▲", 0x71: "▼", 0x7D: "▶", 0x84: "◀"}
_FONTS = {
    "symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2, "wingdings 3": _WINGDINGS_3,
    "webdings": {0x20: " ", 0x61: "✓", 0x72: "✗", 0x33: "◀", 0x34: "▶", 0x35: "▲", 0x36: "▼", 0x63: "□", 0x67: "■"},
}  # fmt: skip


def symbol(code: int, font: str) -> str:
    """The character that `font` shows at `code`; empty where that is a picture without a character."""
    is_private = _FIRST_PRIVATE <= code <= _LAST_PRIVATE
    table = _FONTS.get(font.lower())
    if table is not None and (is_private or code < 0x100):
        return table.get(code & 0xFF, "")
    is_character = 0x20 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF  # half of one
    return chr(code) if is_character and not is_private else ""


def is_symbol_font(font: str) -> bool:
    """Whether the letters of `font` are known to be pictures."""
    return font.lower() in _FONTS


def has_symbols(text: str) -> bool:
    """Whether `text` has characters that only a font of symbols shows."""
    return any(_FIRST_PRIVATE <= ord(character) <= _LAST_PRIVATE for character in text)


def in_font(text: str, font: str) -> str:
    """`text` with what `font` shows in the places of such characters."""
    return "".join(symbol(ord(one), font) if has_symbols(one) else one for one in text)
