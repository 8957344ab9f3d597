"""Detects the language of a text; the stemmers and function words of languages. Languages are ISO 639-1 codes."""

import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from semsearch.private_files import create, make_folders
from semsearch.settings import cache_folder

# Language code -> Snowball algorithm. Words of other languages are not stemmed.
STEMMERS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "da": "danish", "nl": "dutch",
    "en": "english", "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi",
    "hu": "hungarian", "id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian", "ne": "nepali",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "es": "spanish", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
# Languages that are detected, but have no stemmer.
_OTHERS = ("zh", "ja", "ko", "th", "pl", "cs", "sk", "uk", "bg", "he", "fa", "vi", "hr", "sl", "et", "lv")
_SAMPLE_CHARACTERS = 1000
_ARRAYS = ("ptc", "pc", "moves", "rows", "output")
_LETTERS = re.compile(r"[^\W\d_]")


def detect(text: str) -> str:
    """The language code of `text`, judged by its first 1,000 characters; empty when these hold no letters."""
    sample = text[:_SAMPLE_CHARACTERS]
    if not _LETTERS.search(sample):
        return ""
    return str(_classifier()(sample)[0])


def load() -> None:
    """Loads the classifier now, which the first `detect` would do otherwise."""
    _classifier()


@cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    """The classifier of py3langid, restricted to the languages of `STEMMERS` and `_OTHERS`.

    Without that it takes short technical English for Pidgin or Latin.
    """
    import py3langid
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    languages = [*STEMMERS, *_OTHERS]
    key = f"{py3langid.__version__}-{zlib.crc32(' '.join(languages).encode('ascii')):08x}"
    folder = os.path.join(cache_folder(), f"language-{key}")
    loaded = _read_cached(folder)
    if loaded is None:
        # py3langid unpacks 68 MB into a temporary file each time: 0.7 s of a run with one changed file.
        try:
            unpacked = LanguageIdentifier.from_model_file(MODEL_FILE)
        except OSError as error:
            error.filename = error.filename or tempfile.gettempdir()  # where there may be no room for it
            raise
        unpacked.set_languages(languages)
        _write_cache(folder, unpacked)
        return unpacked.classify  # type: ignore[no-any-return]
    arrays, classes = loaded
    moves, rows = (memoryview(arrays[name].data) for name in ("moves", "rows"))
    identifier = LanguageIdentifier(arrays["ptc"], arrays["pc"], classes, moves, arrays["output"].tolist(), tk_row=rows)
    return identifier.classify  # type: ignore[no-any-return]


def _read_cached(folder: str) -> tuple[dict[str, np.ndarray], list[str]] | None:
    """(mapped arrays by name, language codes) that `_write_cache` wrote; None when they are missing or incomplete."""
    try:
        arrays = {name: np.load(os.path.join(folder, f"{name}.npy"), mmap_mode="r") for name in _ARRAYS}
        with open(os.path.join(folder, "classes"), encoding="ascii") as file:
            classes = file.read().split()
        return (arrays, classes) if classes and len(classes) == len(arrays["pc"]) else None
    except (OSError, ValueError, EOFError):
        return None


def _write_cache(folder: str, identifier: Any) -> None:
    """Writes the arrays of `identifier` to the cache, where later runs map them."""
    arrays = {
        "ptc": identifier.nb_ptc, "pc": identifier.nb_pc, "moves": np.asarray(identifier.tk_nextmove),
        "rows": np.asarray(identifier.tk_row), "output": np.array(identifier.tk_output, np.int32),
    }  # fmt: skip
    working = f"{folder}.{os.getpid()}.new"
    try:
        make_folders(os.path.dirname(folder), os.path.basename(working))
        for name in _ARRAYS:
            with open(create(os.path.join(working, f"{name}.npy")), "wb") as array:
                np.save(array, arrays[name])
        with open(create(os.path.join(working, "classes")), "w", encoding="ascii") as file:
            file.write(" ".join(identifier.nb_classes))
        os.rename(working, folder)
    except OSError:  # the cache cannot be written, or another process was first
        shutil.rmtree(working, ignore_errors=True)


# Articles, pronouns, prepositions, conjunctions, auxiliaries, question words. They are left out of queries, never of the
# index; words that are missing here have a low idf anyway. A ready-made list of 1,333 English words loses 0.010 nDCG@10
# on XQuAD-en, because it drops words that carry meaning.
# ruff: noqa: E501
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "a about after all also an and any are as at be because been before being between both but by can "
        "could did do does doing during each for from had has have having he her here hers him his how i if in into "
        "is it its itself just me more most my no nor not of on once only or other our ours out over own she should "
        "so some such than that the their theirs them then there these they this those through to too under until up "
        "very was we were what when where which while who whom whose why will with would you your yours",
        "de": "aber als also am an auch auf aus bei bin bis da damit dann das dass dein dem den der des die dies "
        "diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es euer für hat "
        "hatte hatten habe haben hier hinter ich ihm ihn ihr ihre im in ins ist kann kein keine können man mein mich "
        "mir mit muss nach nicht noch nun nur ob oder ohne sehr sein seine sich sie sind so sollte sondern um und uns "
        "unser unter vom von vor wann war waren warum was weil welche welchem welchen welcher welches wenn wer werden "
        "wie wird wo wurde wurden zu zum zur zwischen über",
        "fr": "à au aux avec ce ces cet cette comme dans de des dont du elle elles en entre est et été être eu il ils "
        "je la le les leur leurs lui mais me mes moi mon même ne nos notre nous on ont ou où par pas pour qu quand que "
        "quel quelle quelles quels qui quoi sa sans se ses si son sont sur ta te tes toi ton tu un une vos votre vous y "
        "a comment combien pourquoi plus sous était étaient",
        "es": "a al algo como con cual cuál cuales cuando cuándo cuanto cuánto de del desde donde dónde e el él ella "
        "ellas ellos en entre era eran es esa ese eso esta está están estas este esto estos fue fueron ha han hasta hay "
        "la las le les lo los más me mi mis muy no nos o para pero por porque que qué quien quién se ser si sin sobre "
        "son su sus también te tiene tu un una uno unos unas y ya yo cómo",
        "it": "a ad ai al alla alle allo anche che chi ci come con cosa cui da dal dalla dalle degli dei del della delle "
        "di dove e è ed era erano fra gli ha hanno i il in io la le lei lo loro lui ma mi nei nel nella nelle no noi non "
        "o per perché più quale quali quando quanto questa questo se si sono su sua sue sul sulla suo tra un una uno voi",
        "pt": "a à ao aos as às com como da das de do dos e é ela elas ele eles em entre era eram essa esse esta está "
        "este eu foi foram há isso já lhe mais mas me na não nas nem no nos o onde os ou para pela pelas pelo pelos por "
        "porque qual quais quando que quê quem são se sem ser seu seus sua suas também tem um uma você",
        "nl": "aan al als bij dan dat de der deze die dit door dus een en er had heb hebben heeft het hij hoe hun ik in "
        "is je kan maar me meer met mij mijn na naar niet nog nu of om omdat onder ons ook op over te tegen toen tot uit "
        "van veel voor waar waarom wanneer want waren was wat we welke werd wie wij worden wordt zal ze zich zij zijn zo",
        "sv": "all alla att av blev bli blir da de dem den denna deras dess det detta dig din du där efter ej eller en "
        "er ett från för ha hade han har henne hon honom hos hur här i icke in inte jag kan man med men mig min mot när "
        "nu och om på sedan sig sin som till under upp ut vad var varför vem vi vid vilka vilken vilket är än över",
    }.items()
}
