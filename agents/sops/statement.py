"""A statement for the partner about a decision, made from its body alone (surfaces.md, "Reasons")."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from msgspec import UNSET, Struct

from agents.sops.catalogue import CLAUSES
from agents.sops.registry import SOPS
from agents.sops.tables.statements import Change, KindStatements, Language, Text, Wording, first_fitting
from schemas.outputs import WITHDRAWN, DecisionBody, Status
from schemas.timestamps import EPOCH, parse_full_date

STATEMENTS: Final = {(sop.name, kind): texts for sop in SOPS for kind, texts in sop.statements.items()}
"""The texts by SOP and kind."""
INDIAN_TIME: Final = timedelta(hours=5, minutes=30)
"""How far Indian Standard Time is ahead of UTC."""

TITLE: Final = Text("For partner {partner_id}: {title}", "पार्टनर {partner_id} के लिए: {title}")
DECIDED: Final = Text("What was decided", "क्या निर्णय हुआ")
RESTS_ON: Final = Text("Why, and what it rests on", "क्यों, और निर्णय का आधार क्या है")
RULES: Final = Text("Which clauses it follows", "कौन-से नियम लागू हुए")
WOULD_CHANGE: Final = Text("What would change it", "किस बात से निर्णय बदल सकता है")
CONTEST: Final = Text("If you do not agree", "अगर आप सहमत नहीं हैं")

OUTCOME: Final = Text("Decision: {outcome}.", "निर्णय: {outcome}।")
ABOUT: Final = Text(
    "Job or ticket: {case_id}. In effect since {day}, {clock} (Indian Standard Time).",
    "काम या टिकट: {case_id}. {day}, {clock} बजे (भारतीय मानक समय) से लागू।",
)
STATUS_SENTENCES: Final[dict[Status, Text]] = {
    "provisional": Text(
        "The decision is provisional: a step is still outstanding.",
        "निर्णय अभी अस्थायी है: एक कदम बाकी है।",
    ),
    "final": Text(
        "The decision is final. It is made again if a fact comes later that changes it.",
        "निर्णय अंतिम है। बाद में कोई ऐसी जानकारी आए जो इसे बदलती हो, तो निर्णय दोबारा किया जाता है।",
    ),
}
STATUS_WORDS: Final[dict[Status, Text]] = {
    "provisional": Text("provisional", "अस्थायी"),
    "final": Text("final", "अंतिम"),
}
FACTS: Final = Text("It rests on: {facts}.", "निर्णय इन पर आधारित है: {facts}।")
RECORDS: Final = Text(
    "Number of records behind it: {count}. The support desk can look up each of them. Policy: {policy}.",
    "इसके पीछे के रिकॉर्ड की संख्या: {count}. सहायता टीम इनमें से हर एक को देख सकती है। पॉलिसी: {policy}.",
)
CLAUSE: Final = Text("{clause}: {summary}.", "{clause}: {summary}।")
NOTHING_BETTER: Final = Text(
    "Nothing has to change in your favour. What could still take it back:",
    "आपके हित में कुछ बदलना ज़रूरी नहीं है। यह निर्णय केवल इस बात से पलट सकता है:",
)
NOTHING: Final = Text(
    "Nothing has to change. If new facts call for a decision, it is made then.",
    "कुछ बदलना ज़रूरी नहीं है। नई जानकारी से निर्णय की ज़रूरत हुई, तो वह तब किया जाएगा।",
)
CHANGE: Final = Text("{fact}, the decision becomes: {outcome}.", "{fact}, तो निर्णय यह होगा: {outcome}।")
CHANGE_WITH_STATUS: Final = Text(
    "{fact}, the decision becomes: {outcome} ({status}).",
    "{fact}, तो निर्णय यह होगा: {outcome} ({status})।",
)
OR: Final = Text("; or ", "; या ")
DESK: Final = Text(
    "Tell the support desk what is not right, and quote the decision id {decision_id}.",
    "सहायता टीम को बताएँ कि क्या सही नहीं है, और यह निर्णय आईडी बताएँ: {decision_id}.",
)

WITHDRAWN_OUTCOME: Final = Text(
    "withdrawn; an earlier statement about it no longer holds",
    "वापस लिया गया; इसके बारे में पहले का विवरण अब लागू नहीं है",
)
WITHDRAWN_WORDING: Final = Wording(
    outcome=WITHDRAWN,
    why=Text(
        "No rule calls for such a decision about you any more. It may be that the job or a fact of it belongs to "
        "another partner.",
        "अब किसी नियम के अनुसार आपके बारे में ऐसा निर्णय नहीं बनता। हो सकता है कि यह काम या इससे जुड़ी कोई जानकारी किसी और पार्टनर "
        "की हो।",
    ),
    rests_on=Text("what the decision before it rested on", "वही, जिन पर पिछला निर्णय आधारित था"),
    changes=(),
)

MONTHS: Final = (
    Text("January", "जनवरी"),
    Text("February", "फ़रवरी"),
    Text("March", "मार्च"),
    Text("April", "अप्रैल"),
    Text("May", "मई"),
    Text("June", "जून"),
    Text("July", "जुलाई"),
    Text("August", "अगस्त"),
    Text("September", "सितंबर"),
    Text("October", "अक्टूबर"),
    Text("November", "नवंबर"),
    Text("December", "दिसंबर"),
)


class Section(Struct, frozen=True):
    """A part of a statement."""

    heading: str
    paragraphs: tuple[str, ...]


class Statement(Struct, frozen=True):
    """What a partner is told about a decision, in one language."""

    language: Language
    title: str
    sections: tuple[Section, ...]


def statement(body: DecisionBody, decision_id: str, language: Language) -> Statement | None:
    """Return the statement for the partner whom a decision is about.

    It says what was decided and why, under which clauses, what would change it, and how to contest it, from the body
    and the decision's id alone. It names nobody but that partner, and has no link. None: the decision is about no
    partner, its kind is not for partners, or this version does not know its outcome, a reason or a clause.
    """
    found = _wording(body)
    if found is None:
        return None
    texts, wording = found
    parts = (
        (DECIDED, _decided(body, texts, language)),
        (RESTS_ON, _rests_on(body, texts, wording, language)),
        (RULES, _rules(body, language)),
        (WOULD_CHANGE, _would_change(texts, wording, language)),
        (CONTEST, _contest(texts, decision_id, language)),
    )
    sections = (Section(heading.in_language(language), tuple(paragraphs)) for heading, paragraphs in parts)
    return Statement(
        language=language,
        title=_filled(TITLE, language, partner_id=body.partner_id, title=texts.title.in_language(language)),
        sections=tuple(section for section in sections if section.paragraphs),
    )


def has_statement(body: DecisionBody) -> bool:
    """Return whether there is a statement about a decision, without writing it."""
    return _wording(body) is not None


def _wording(body: DecisionBody) -> tuple[KindStatements, Wording] | None:
    """Return the texts of a decision's kind and the wording that fits the decision, None if it has no statement."""
    texts = STATEMENTS.get((body.subject_of, body.kind))
    if texts is None or body.partner_id is None:
        return None
    wording = first_fitting((*texts.wordings, WITHDRAWN_WORDING), body)
    if wording is None or not (texts.reasons.keys() >= {*body.reasons} and CLAUSES.keys() >= {*body.clauses}):
        return None
    return texts, wording


def _decided(body: DecisionBody, texts: KindStatements, language: Language) -> Iterator[str]:
    yield _filled(OUTCOME, language, outcome=_outcome(body.outcome, texts, language))
    yield STATUS_SENTENCES[body.status].in_language(language)
    for name, values in texts.fields.items():
        if (value := getattr(body, name)) is not UNSET and value in values:
            yield values[value].in_language(language)
    for name, text in texts.days.items():
        if (value := getattr(body, name)) is not UNSET:
            yield _filled(text, language, day=_day(parse_full_date(value), language))
    local = EPOCH + timedelta(microseconds=body.effective_at) + INDIAN_TIME
    day = _day(local.date(), language)
    yield _filled(ABOUT, language, case_id=body.case_id, day=day, clock=f"{local:%H:%M}")


def _rests_on(body: DecisionBody, texts: KindStatements, wording: Wording, language: Language) -> Iterator[str]:
    yield from (texts.reasons[reason].in_language(language) for reason in body.reasons)
    if wording.why is not None:
        yield wording.why.in_language(language)
    yield _filled(FACTS, language, facts=wording.rests_on.in_language(language))
    yield _filled(RECORDS, language, count=len(body.evidence), policy=body.policy)


def _rules(body: DecisionBody, language: Language) -> Iterator[str]:
    for clause in body.clauses:
        yield _filled(CLAUSE, language, clause=clause, summary=CLAUSES[clause].statement.in_language(language))


def _would_change(texts: KindStatements, wording: Wording, language: Language) -> Iterator[str]:
    if not wording.changes:
        yield NOTHING.in_language(language)
    if wording.is_favourable:
        yield NOTHING_BETTER.in_language(language)
    for change in wording.changes:
        yield _change(change, texts, language)


def _change(change: Change, texts: KindStatements, language: Language) -> str:
    fact = change.fact.in_language(language)
    outcome = OR.in_language(language).join(_outcome(each, texts, language) for each in change.outcomes)
    if change.status is None:
        return _filled(CHANGE, language, fact=fact, outcome=outcome)
    status = STATUS_WORDS[change.status].in_language(language)
    return _filled(CHANGE_WITH_STATUS, language, fact=fact, outcome=outcome, status=status)


def _contest(texts: KindStatements, decision_id: str, language: Language) -> Iterator[str]:
    yield _filled(DESK, language, decision_id=decision_id)
    yield from (text.in_language(language) for text in texts.contest)


def _outcome(outcome: str, texts: KindStatements, language: Language) -> str:
    return (WITHDRAWN_OUTCOME if outcome == WITHDRAWN else texts.outcomes[outcome]).in_language(language)


def _filled(text: Text, language: Language, **values: object) -> str:
    return text.in_language(language).format(**values)


def _day(day: date, language: Language) -> str:
    return f"{day.day} {MONTHS[day.month - 1].in_language(language)} {day.year}"
