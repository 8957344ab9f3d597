"""What is said of an answer: as a person would judge it who has its sources at hand."""

import time

import pytest

from semsearch.answering.asides import unwrapped
from semsearch.answering.citations import CheckedAnswer, check_citations
from semsearch.answering.quantities import has_another_unit, in_other_units, quantities_of
from semsearch.answering.refusal import TokenFilter, without_token
from tests.support.answer_hits import hit

GREASE = (
    "Every 700 running hours, press 90 grams of calcium sulphonate grease into the main bearing. "
    "Stop when clean grease shows at the lip. Each turbine gives 180 kW."
)
SOURCES = [hit(GREASE, "manual.md"), hit("The crossing takes about thirty minutes. Dogs stay on a lead.", "ferry.md")]
GOOD = "The main bearing is greased every 700 running hours"


def check(text: str) -> CheckedAnswer:
    return check_citations(text, SOURCES)


def statuses(text: str) -> list[str]:
    return [claim.status for claim in check(text).claims]


def test_the_source_that_bears_a_sentence_out_is_attached_to_it() -> None:
    checked = check(f"{GOOD}. The crossing takes thirty minutes!\n\nIt is painted blue.")
    assert checked.text == f"{GOOD} [1]. The crossing takes thirty minutes [2]!\n\nIt is painted blue."
    assert [citation.status for citation in checked.citations] == ["attached", "attached"]
    assert [claim.status for claim in checked.claims] == ["supported", "supported", "unnamed"]
    assert checked.unsupported == ("It is painted blue.",)


def test_sources_are_judged_one_by_one() -> None:
    checked = check(f"{GOOD} [1][2].")
    assert checked.claims[0].sources == (1,) and not checked.unsupported
    assert {citation.n: citation.status for citation in checked.citations} == {1: "supported", 2: "unsupported"}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"{GOOD} [1].", "supported"),
        ("The main bearing is greased every 70 running hours [1].", "unsupported"),
        ("The main bearing is greased every 700 days [1].", "unsupported"),
        ("The main bearing is greased every $700$ running hours \\[1\\].", "supported"),
        ("At 700 running hours each, ten greasings take 7,000 hours [1].", "unchecked"),
        ("The main bearing is greased every 7,000 hours [1].", "unsupported"),
        ("Das Hauptlager wird alle 700 Betriebsstunden geschmiert [1].", "unchecked"),
        ("Das Hauptlager wird alle 70 Betriebsstunden geschmiert [1].", "unsupported"),
        ("Das Hauptlager wird alle 700 Tage geschmiert [1].", "unsupported"),
        ("主轴承每运行700小时润滑一次[1]。", "unchecked"),
        ("主轴承每运行70小时润滑一次[1]。", "unsupported"),
        ("Rejsen er ganske dyr for børn og voksne om sommeren [2].", "unchecked"),
    ],
)
def test_numbers_units_calculations_and_languages(text: str, status: str) -> None:
    assert statuses(text) == [status]


REPORT = (
    "Revenue rose to 4.2 million dollars in 2024, from 3.9 million. Some 1,500 people came. Water boils at 100 °C. "
)
REPORT += "It opens at 8:30 and closes at 17:45 or 20:00. Between 40 and 60 guests fit."


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("The crossing takes about 30 min [1].", "supported"),
        ("The crossing takes about 30 h [1].", "unsupported"),
        ("Revenue rose to 4.2 million dollars in 2024 [2].", "supported"),
        ("Revenue rose to $4.2 million in 2024 [2].", "supported"),
        ("Revenue rose to 4,200,000 dollars in 2024 [2].", "supported"),
        ("Revenue rose to 4.2 billion dollars in 2024 [2].", "unsupported"),
        ("Revenue rose to $4.2 billion in 2024 [2].", "unsupported"),
        ("Revenue rose from 3.9 billion [2].", "unsupported"),
        ("Some 1.5 thousand people came [2].", "supported"),
        ("It opens at 08:30 [2].", "supported"),
        ("It opens at 8:45 [2].", "unsupported"),
        ("It closes at 17:45 or at 20 [2].", "supported"),
        ("Between 40–60 guests fit [2].", "supported"),
        ("Water boils at 100 degrees Celsius [2].", "supported"),
        ("Water boils at 100 degrees Fahrenheit [2].", "unsupported"),
    ],
)
def test_units_and_powers_of_ten_are_compared_however_they_are_written(text: str, status: str) -> None:
    checked = check_citations(text, [SOURCES[1], hit(REPORT)])
    assert [claim.status for claim in checked.claims] == [status]


@pytest.mark.parametrize(
    ("claim", "source", "same"),
    [
        ("0.5 hours", "thirty minutes", True),
        ("two weeks", "14 days", True),
        ("1.5 km", "1500 m", True),
        ("2 kg", "2 g", False),
    ],
)
def test_amounts_in_other_units_are_the_same(claim: str, source: str, same: bool) -> None:
    claimed, known = quantities_of(claim)[0], quantities_of(source)
    assert in_other_units(claimed, known) == same
    assert has_another_unit(claimed, known) != same or not claimed.values & known[0].values


@pytest.mark.parametrize(
    "text",
    [
        f"# Answer\n\n{GOOD} [1].",
        f"Sure! Based on the provided sources, here is the answer:\n\n{GOOD} [1].\n\nLet me know if you need more!",
        f"{GOOD} [1].\n\nReferences:\n[1] manual.md",
        f"{GOOD}. Stop when clean grease shows at the lip.\n\nSources: [1]",
        f"{GOOD}. Stop when clean grease shows at the lip.\n\n**Quellen:** manual.md",
        f"{GOOD}.\n\n[1]",
        "| what | value |\n|---|---|\n| interval | 700 running hours [1] |\n| amount | 90 grams [1] |",
        "- Press 90 grams of grease [1]\n- Stop when clean grease shows at the lip [1]",
        f"According to source 1, {GOOD}.",
        f"Based on the documents, {GOOD} [1]. Would you like to know more?",
        f"{GOOD} [1]. The documents do not say who does it.",
    ],
)
def test_only_statements_are_judged(text: str) -> None:
    checked = check(text)
    assert checked.answered and not checked.unsupported
    assert all(claim.status == "supported" for claim in checked.claims)


@pytest.mark.parametrize(
    "text",
    [
        f"1. {GOOD} [1].\n2. Stop when clean grease shows at the lip [1].",
        f"Steps:\n(1) {GOOD} [1].\n(2) Stop when clean grease shows at the lip [1].",
        f"**1.** {GOOD} [1].\n\nStep 2: Stop when clean grease shows at the lip [1].",
        f"{GOOD} [1].\n\n[1] manual.md, lines 22-24",
        f"{GOOD}[^1].\n\n[^1]: manual.md:3\n[^2]: ferry.md",
    ],
)
def test_numbers_of_lists_and_of_lines_are_none_of_the_answer(text: str) -> None:
    checked = check(text)
    assert [claim.status for claim in checked.claims][:2] == ["supported"] * len(checked.claims)
    assert checked.text == text and not checked.unsupported


@pytest.mark.parametrize("number", ["(70)", "- 70. ", "70 - 80"])
def test_a_number_within_a_sentence_is_no_number_of_a_list(number: str) -> None:
    assert statuses(f"The main bearing is greased every {number} running hours [1].") == ["unsupported"]


def test_a_mark_that_a_source_holds_with_its_word_is_copied_from_it() -> None:
    code = [hit("The function returns items[1] when the list is long. An empty one has no a[0].")]
    for text in ("The function returns items[1] when the list is long.", "An empty one has no a[0] [1]."):
        checked = check_citations(text, code)
        assert [claim.status for claim in checked.claims] == ["supported"] and not checked.invalid
    assert [claim.numbers for claim in check_citations("The list is long[1].", code).claims] == [(1,)]


@pytest.mark.parametrize("text", ["Yes [1].", "No.", f"Yes. {GOOD} [1].", "Ja.", "是的。"])
def test_yes_and_no_say_nothing_that_could_be_checked(text: str) -> None:
    checked = check(text)
    assert checked.answered and not checked.unsupported
    assert (checked.claims[0].status, checked.claims[0].verdict.reason) == ("unchecked", "nothing to check")


REFUSALS = [
    "Not found in these documents.", '"Not found in these documents."', "**Not found in these documents.**",
    "I don't know.",
    "I'm sorry, but the provided sources do not contain information about this.", "Not mentioned.",
    "None of the provided documents answer the question.", "The sources do not mention the world cup [1][2].",
    "The documents describe the greasing of the main bearing. They do not say who does it.",
    "Das steht nicht in diesen Dokumenten.", "Dazu enthalten die Quellen keine Angaben.",
    "Je n'ai pas trouvé cette information dans les documents fournis.", "No se encuentra en estos documentos.",
    "Non trovato in questi documenti.", "在这些文档中未找到。", "これらの文書には見つかりません。",
    "이 문서에서 찾을 수 없습니다.",
    "В этих документах ответа нет.", "Niet gevonden in deze documenten.", "Não encontrado nestes documentos.",
    "Detta står inte i dokumenten.", "Bu belgelerde bulunamadı.",
    "The answer is not in the documents.", "Nothing in the sources answers this.", "It isn't specified.",
    "No information.", "Je ne sais pas.", "Das weiß ich nicht.", "No lo sé.", "不知道。", "Не знаю.",
    "इन दस्तावेज़ों में नहीं मिला।", "W tych dokumentach nie ma odpowiedzi.",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_in_any_language_is_none_of_the_answers_and_is_not_judged(text: str) -> None:
    checked = check(text)
    assert not checked.answered and not checked.unsupported and not checked.citations


def test_what_a_model_adds_to_a_refusal_is_not_from_the_documents() -> None:
    checked = check("Not found in these documents. However, main bearings are usually greased every 500 hours.")
    assert not checked.answered and not checked.unsupported
    assert [claim.status for claim in checked.claims] == ["outside"]
    answered = check(f"The documents do not say who does it. {GOOD} [1].")
    assert answered.answered and not answered.unsupported


@pytest.mark.parametrize(
    "text",
    [
        "Dogs must not be off their lead.",
        "Documents are in the pump house [1].",
        "It does not cover water damage [1].",
        "They do not include the seal.",
        "If the file does not contain a header, the import stops [1].",
    ],
)
def test_a_sentence_with_a_negation_or_a_document_is_no_refusal(text: str) -> None:
    assert check(text).answered


TOKEN = "NOT_IN_SOURCES"


@pytest.mark.parametrize("before", ["", "**", "`", '"', " \n"])
@pytest.mark.parametrize("after", ["", "**", "`", '".', "\n", ": ", "\n\n"])
@pytest.mark.parametrize("said", ["", "Darüber sagen die Dokumente nichts."])
def test_the_token_is_recognised_and_never_shown(before: str, after: str, said: str) -> None:
    text = before + TOKEN + after + said
    rest, found = without_token(text)
    assert found and TOKEN not in rest and rest.endswith(said)
    for size in (1, 3, 7, 100):
        pieces: list[str] = []
        shown = TokenFilter(pieces.append)
        for at in range(0, len(text), size):
            shown.feed(text[at : at + size])
        shown.end()
        assert "".join(pieces) == said


@pytest.mark.parametrize("text", [f"{GOOD} [1].", "NOT all pumps.\nNO, none.", "A\n\nB", "The word is NOT_IN"])
def test_what_holds_no_token_is_shown_as_it_is(text: str) -> None:
    for size in (1, 4, 100):
        pieces: list[str] = []
        shown = TokenFilter(pieces.append)
        for at in range(0, len(text), size):
            shown.feed(text[at : at + size])
        assert shown.end() and "".join(pieces) == text


def test_a_token_beside_a_cited_answer_does_not_refuse_it() -> None:
    assert check_citations(f"{GOOD} [1].", SOURCES, refused=True).answered
    assert not check_citations("Darüber ist nichts bekannt.", SOURCES, refused=True).answered


def test_half_a_sentence_at_the_end_of_a_cut_answer_is_not_judged() -> None:
    cut = f"{GOOD} [1]. Press 90 tons of"
    assert check_citations(cut, SOURCES).unsupported == ("Press 90 tons of",)
    assert not check_citations(cut, SOURCES, incomplete=True).unsupported
    assert check_citations(GOOD, SOURCES, incomplete=True).answered


def test_what_stands_around_an_answer_is_taken_off() -> None:
    assert unwrapped(f"```\n{GOOD} [1].\n```") == f"{GOOD} [1]."
    assert unwrapped('{"answer": "It is so.", "sources": [1, 2]}') == "It is so [1][2]."
    assert unwrapped(f"=== source 1 ab ===\ntext:\nfoo\n=== end of source 1 ab ===\n{GOOD}") == GOOD
    assert unwrapped("Use:\n```\nrun\n```") == "Use:\n```\nrun\n```"


def test_empty_lines_before_no_token_take_no_long_time() -> None:
    begun = time.process_time()
    assert without_token("a" + 30_000 * "\n" + "b") == ("a" + 30_000 * "\n" + "b", False)
    assert time.process_time() - begun < 0.5  # 1.5 when each line was begun with
