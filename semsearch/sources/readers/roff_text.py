"""The text of roff source: its escapes resolved (fonts, characters, motions), and the arguments of its requests."""

import html
import re
import unicodedata

_ESCAPE = re.compile(
    r"\\(?:(?P<comment>[\"#].*)"
    r"|(?P<kind>[*fFmMgknVY])(?:[+-](?=[\[(\w]))?(?:\[(?P<of_long>[^\]\n]{0,60})\]|\((?P<of_two>..)|(?P<of_one>.))"
    r"|s(?:\[[^\]\n]{0,9}\]|\(\d\d|'[^'\n]{0,9}'|[+-]?\d|[+-]\(\d\d)"
    r"|(?P<with>[hvwlLDobXNCZAxRSHB])'(?P<quoted>[^'\n]{0,200})'"
    r"|\[(?P<long>[^\]\n]{0,60})\]|\((?P<two>..)|(?P<one>.)|\Z)"
)
_ARGUMENT = re.compile(r'"((?:[^"]|"")*+)"?|((?:\\.|[^\s\\])++)')
# What strings of the macro packages stand for: those of man, and of pages made by pod2man.
_STRINGS = {"lq": "“", "rq": "”", "R": "®", "Tm": "™", 'L"': '"', 'R"': '"', "C`": "", "C'": "", "--": "-", "Aq": "'"}
# Characters by the names of groff_char(7), where HTML has no entity of that name.
_CHARACTERS = {
    name: letter
    for pair in """
    em=— en=– hy=- mi=− lq=“ rq=” oq=‘ cq=’ aq=' dq=" Bq=„ bq=‚ Fo=« Fc=» fo=‹ fc=› bu=• ci=○ sq=□ de=° dg=† dd=‡
    ps=¶ sc=§ co=© rg=® tm=™ lh=☜ rh=☞ ct=¢ Do=$ Eu=€ eu=€ Ye=¥ Po=£ Cs=¤ Fn=ƒ rs=\\ sl=/ ul=_ ru=_ rn=‾ br=│ bv=⎪ bb=¦
    ba=| or=| sh=# at=@ ha=^ ti=~ ga=` aa=´ a^=ˆ a~=˜ a"=˝ a-=¯ a.=˙ ac=¸ ab=˘ ah=ˇ ao=˚ ho=˛ ad=¨ lB=[ rB=] lC={ rC=}
    la=⟨ ra=⟩ lA=⇐ rA=⇒ hA=⇔ uA=⇑ dA=⇓ vA=⇕ <-=← ->=→ <>=↔ ua=↑ da=↓ va=↕ an=⎯ r!=¡ r?=¿ +-=± t+-=± mu=× tmu=× di=÷
    tdi=÷ f/=⁄ **=∗ pl=+ <<=≪ >>=≫ ne=≢ ~~=≈ ap=∼ no=¬ tno=¬ AN=∧ OR=∨ te=∃ fa=∀ st=∋
    3d=∴ tf=∴ mo=∈ nm=∉ sb=⊂ sp=⊃ ib=⊆ ip=⊇ ca=∩ cu=∪ /_=∠ pp=⊥ is=∫ sum=∑ product=∏ gr=∇ sr=√ pt=∝ if=∞ Ah=ℵ Im=ℑ Re=ℜ
    wp=℘ pd=∂ -h=ℏ hbar=ℏ md=⋅ pc=· 12=½ 14=¼ 34=¾ S1=¹ S2=² S3=³ Of=ª Om=º %0=‰ fm=′ sd=″ mc=µ OK=✓ CR=↵ lz=◊ SP=♠ CL=♣
    HE=♥ DI=♦ ff=ff fi=fi fl=fl Fi=ffi Fl=ffl ss=ß AE=Æ ae=æ OE=Œ oe=œ IJ=Ĳ ij=ĳ .i=ı .j=ȷ -D=Ð Sd=ð TP=Þ Tp=þ /L=Ł /l=ł
    /O=Ø /o=ø ,C=Ç ,c=ç oA=Å oa=å vS=Š vs=š vZ=Ž vz=ž *A=Α *B=Β *G=Γ *D=Δ *E=Ε *Z=Ζ *Y=Η *H=Θ *I=Ι *K=Κ *L=Λ *M=Μ *N=Ν
    *C=Ξ *O=Ο *P=Π *R=Ρ *S=Σ *T=Τ *U=Υ *F=Φ *X=Χ *Q=Ψ *W=Ω *a=α *b=β *g=γ *d=δ *e=ε *z=ζ *y=η *h=θ *i=ι *k=κ *l=λ *m=μ
    *n=ν *c=ξ *o=ο *p=π *r=ρ *s=σ *t=τ *u=υ *f=ϕ *x=χ *q=ψ *w=ω ts=ς +h=ϑ +f=φ +p=ϖ +e=ϵ
    """.split()  # noqa: SIM905
    for name, _, letter in [pair.partition("=")]
} | {"eq": "=", "==": "≡", "<=": "≤", ">=": "≥", "!=": "≠", "=~": "≅", "|=": "≃", "~=": "≈"}
# The accent in a name such as `'e` or `:o`, or in `e aa`.
_ACCENTS = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", ":": "\u0308", '"': "\u030b", "aa": "\u0301",
    "ga": "\u0300", "a^": "\u0302", "a~": "\u0303", "ad": "\u0308", "ac": "\u0327", "ho": "\u0328", "ah": "\u030c",
    "ao": "\u030a", "ab": "\u0306", "a-": "\u0304", "a.": "\u0307",
}  # fmt: skip
# Escapes of one character that are shown; of others the character is.
_SINGLE = {
    **dict.fromkeys("&)/,|^%:c{}durptz!?aE", ""), **dict.fromkeys(" ~0t", " "), "-": "-", "e": "\\", "\\": "\\",
    "'": "´", "`": "`",
}  # fmt: skip
_LONGEST_STRING = 200
_MOST_STRINGS = 1000
# Of all strings together so many characters are printed: three letters of a page may stand for 200.
_MOST_CHARACTERS = 2_000_000


class Strings:
    """The strings that a page defines (`.ds`). `notice`: that some of them are not printed; empty where all are."""

    def __init__(self) -> None:
        self.notice = ""
        self._values: dict[str, str] = {}
        self._left = _MOST_CHARACTERS

    def define(self, name: str, value: str) -> None:
        """Defines a string, unless it is too long, or was defined before."""
        if len(value) <= _LONGEST_STRING and len(self._values) < _MOST_STRINGS:
            self._values.setdefault(name, shown(value))

    def printed(self, name: str) -> str:
        """What the string `name` stands for; empty where it is not known."""
        value = self._values.get(name, "")
        if len(value) > self._left:
            self.notice = f"strings of the page printed up to {_MOST_CHARACTERS:,} characters"
            return ""
        self._left -= len(value)
        return value


def shown(source: str, strings: Strings | None = None) -> str:
    """`source` without roff escapes, as it is printed; `strings`: those that the page defines."""
    return _ESCAPE.sub(lambda match: _printed(match, strings), source) if "\\" in source else source


def arguments(source: str) -> list[str]:
    """The arguments of a request: words, or text in quotes, in which a quote is written twice."""
    source = re.sub(r'\\["#].*', "", source)
    return [
        match.group(1).replace('""', '"') if match.group(1) is not None else match.group(2)
        for match in _ARGUMENT.finditer(source)
    ]


def _printed(match: re.Match[str], strings: Strings | None) -> str:
    if match.group("kind"):
        if match.group("kind") != "*":
            return ""  # fonts, colours, numbers
        name = match.group("of_long") or match.group("of_two") or match.group("of_one") or ""
        return _STRINGS[name] if name in _STRINGS else strings.printed(name) if strings is not None else ""
    if match.group("with"):
        return _with_argument(match.group("with"), match.group("quoted"))
    if match.group("long") is not None or match.group("two"):
        return character(match.group("long") if match.group("long") is not None else match.group("two"))
    single = match.group("one")
    return _SINGLE.get(single, single) if single else ""


def _with_argument(kind: str, argument: str) -> str:
    if kind == "N" and argument.isdecimal():
        return chr(int(argument)) if int(argument) < 0xD800 else ""
    if kind == "C":
        return character(argument)
    if kind in "Zo":
        return shown(argument)[:1] if kind == "o" else shown(argument)
    return " " if kind in "hlL" and not argument.startswith("-") else ""


def character(name: str) -> str:
    """The character called `name`; a blank where it has none, so that the words around it stay apart."""
    name = name.replace("\\", "")
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if re.fullmatch(r"u[0-9A-F]{4,6}(?:_[0-9A-F]{4,6}){0,4}", name):
        codes = [int(code, 16) for code in name[1:].split("_")]
        if all(code < 0x110000 and not 0xD800 <= code < 0xE000 for code in codes):
            return unicodedata.normalize("NFC", "".join(map(chr, codes)))
    if name.startswith("char") and name[4:].isdecimal() and int(name[4:]) < 256:
        return chr(int(name[4:]))
    letter, _, accent = name.partition(" ") if " " in name else (name[1:], "", name[:1])
    if len(letter) == 1 and letter.isalpha() and accent in _ACCENTS:
        return unicodedata.normalize("NFC", letter + _ACCENTS[accent])
    entity = html.unescape(f"&{name};")
    return entity if len(entity) == 1 else " "
