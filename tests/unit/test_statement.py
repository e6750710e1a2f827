"""Statements for partners: a text for everything that can be decided, in every language, and nothing about others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from agents.sops import statement as module
from agents.sops.catalogue import CLAUSES, OUTPUTS
from agents.sops.offline_service.refund import RefundDecision
from agents.sops.out_of_scope.paf import PafDecision
from agents.sops.out_of_scope.statements.paf import TICKET_CREATED
from agents.sops.registry import SOPS
from agents.sops.statement import STATEMENTS, Statement, has_statement, statement
from agents.sops.table_sop import TableSop
from agents.sops.tables.decisions import Row
from agents.sops.tables.statements import LANGUAGES, Language, Text, first_fitting
from agents.sops.tagging import ProofFault, TaggingDecision
from schemas.events import Money
from schemas.outputs import WITHDRAWN, DecisionBody, Status, kind_of, vocabulary
from schemas.timestamps import parse_instant

TABLES: Final = [(sop.name, table) for sop in SOPS if isinstance(sop, TableSop) for table in sop.decisions]
FOR_NO_PARTNER: Final = {("offline_service", "refund")}
"""Kinds of decision that no partner is told of."""
DEVANAGARI: Final = re.compile("[\u0900-\u097f]")


def texts_in(value: object) -> Iterator[Text]:
    """Yield every text in a value, its members included."""
    match value:
        case Text():
            yield value
        case dict():
            for each in value.values():
                yield from texts_in(each)
        case tuple():
            for each in value:
                yield from texts_in(each)
        case Struct():
            yield from texts_in(structs.astuple(value))


ALL_TEXTS: Final = [
    *texts_in(STATEMENTS),
    *texts_in(tuple(vars(module).values())),
    *(clause.statement for clause in CLAUSES.values()),
]


def paf(**members: Any) -> PafDecision:
    """Return a penalty that stands, with other members."""
    usual: dict[str, Any] = {
        "subject_of": "out_of_scope",
        "case_id": "job-1",
        "partner_id": "p1",
        "status": "final",
        "outcome": "upheld",
        "reasons": ("no_claim",),
        "clauses": ("OOS-18",),
        "evidence": ("/s#cancelled",),
        "policy": "default@0123456789abcdef",
        "effective_at": parse_instant("2026-11-24T20:00:00Z"),
        "cancellation_marked": True,
        "counts_in_mg": True,
    }
    return PafDecision(**(usual | members))


def made(body: DecisionBody, language: Language = "en") -> Statement:
    found = statement(body, "d" * 32, language)
    assert found is not None
    return found


def said(body: DecisionBody, language: Language = "en") -> str:
    found = made(body, language)
    return "\n".join([found.title, *(line for each in found.sections for line in (each.heading, *each.paragraphs))])


# A text for everything


def bodies_of(row: Row[Any], name: str, kind: type[DecisionBody]) -> Iterator[DecisionBody]:
    """Yield a body for each status and reason that a row can decide."""
    reasons = row.reasons if isinstance(row.reasons, tuple) else ProofFault.__args__  # type: ignore[attr-defined]
    clauses = row.clauses if isinstance(row.clauses, tuple) else ("DIS-3",)
    statuses: set[Status] = {row.status} if row.final_from is None else {"provisional", "final"}
    fields: dict[str, Any] = {field: True if callable(value) else value for field, value in row.fields.items()}
    days = {"service_date": "2026-11-20"} if "service_date" in fields else {}
    for status in statuses:
        for reason in reasons or (None,):
            yield kind(
                subject_of=name,
                case_id="job-1",
                partner_id="p1",
                status=status,
                outcome=row.outcome,
                reasons=() if reason is None else (reason,),
                clauses=clauses,
                policy="p@0",
                effective_at=0,
                **(fields | days),
            )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("name", "kind", "row"),
    [pytest.param(name, table.kind, row, id=row.name) for name, table in TABLES for row in table.rows],
)
def test_every_row_has_a_whole_statement(
    name: str, kind: type[DecisionBody], row: Row[Any], language: Language
) -> None:
    for body in bodies_of(row, name, kind):
        if (name, kind_of(kind)) in FOR_NO_PARTNER:
            assert statement(body, "d" * 32, language) is None
            assert not has_statement(body)
            continue
        assert has_statement(body)
        found = made(body, language)
        assert len(found.sections) == 5
        texts = STATEMENTS[name, kind_of(kind)]
        assert {texts.reasons[each].in_language(language) for each in body.reasons} <= {*found.sections[1].paragraphs}
        wording = first_fitting(texts.wordings, body)
        assert wording is not None
        assert bool(body.reasons) is (wording.why is None)


def test_every_outcome_and_reason_of_the_vocabularies_has_a_text() -> None:
    for name, kind in {(name, kind_of(table.kind)) for name, table in TABLES} - FOR_NO_PARTNER:
        assert (name, kind) in STATEMENTS
    for kind in {kind for _, kind in STATEMENTS}:
        texts = [each for (_, of), each in STATEMENTS.items() if of == kind]
        body = OUTPUTS.bodies[kind]
        assert {outcome for each in texts for outcome in each.outcomes} | {WITHDRAWN} == {*vocabulary(body, "outcome")}
        assert {reason for each in texts for reason in each.reasons} >= {*vocabulary(body, "reasons")}


def test_every_wording_is_the_first_that_fits_some_decision() -> None:
    used = set()
    for name, table in TABLES:
        texts = STATEMENTS.get((name, kind_of(table.kind)))
        for body in (body for row in table.rows if texts for body in bodies_of(row, name, table.kind)):
            used.add(id(first_fitting(texts.wordings, body)))  # type: ignore[union-attr] # there are texts
            if isinstance(body, PafDecision):
                otherwise = structs.replace(body, cancellation_marked=not body.cancellation_marked)
                used.add(id(first_fitting(texts.wordings, otherwise)))  # type: ignore[union-attr]
    assert [each for texts in STATEMENTS.values() for each in texts.wordings if id(each) not in used] == []


def test_changes_lead_to_outcomes_of_the_kind() -> None:
    for texts in STATEMENTS.values():
        for wording in texts.wordings:
            assert {outcome for each in wording.changes for outcome in each.outcomes} <= texts.outcomes.keys()


def test_every_text_is_in_every_language_with_the_same_values() -> None:
    assert len(ALL_TEXTS) > 200
    for text in ALL_TEXTS:
        names = [{field for _, field, _, _ in Formatter().parse(text.in_language(each)) if field} for each in LANGUAGES]
        assert names == [names[0]] * len(LANGUAGES), text
        assert text.en == text.hi or DEVANAGARI.search(text.hi), text
        assert not DEVANAGARI.search(text.en), text
        assert (text.en + text.hi).isprintable(), text


def test_paths_in_the_app_are_as_on_the_screen_in_every_language() -> None:
    paths = re.compile(r"Help(?: > [A-Z][\w' ]+)+")
    for text in ALL_TEXTS:
        assert paths.findall(text.en) == paths.findall(text.hi)


# What it says


def test_a_statement_says_what_was_decided_why_and_what_can_be_done() -> None:
    assert [(each.heading, each.paragraphs[0]) for each in made(paf()).sections] == [
        ("What was decided", "Decision: the penalty stands."),
        (
            "Why, and what it rests on",
            "A cancellation is marked against you, and there is no out-of-scope ticket for the job.",
        ),
        (
            "Which clauses it follows",
            "OOS-18: a cancellation marked against the partner is reviewed for a genuine reason.",
        ),
        (
            "What would change it",
            f"{TICKET_CREATED.fact.en}, the decision becomes: the penalty is under review (provisional).",
        ),
        ("If you do not agree", f"Tell the support desk what is not right, and quote the decision id {'d' * 32}."),
    ]


def test_times_are_indian_and_in_the_words_of_the_language() -> None:
    assert "In effect since 25 November 2026, 01:30 (Indian Standard Time)." in said(paf())
    assert "25 नवंबर 2026, 01:30 बजे (भारतीय मानक समय) से लागू।" in said(paf(), "hi")


def test_the_day_of_a_service_is_written_out() -> None:
    body = TaggingDecision(
        subject_of="offline_service",
        case_id="t-1",
        partner_id="p1",
        status="final",
        outcome="offline_service/no_booking",
        clauses=("DIS-2", "DIS-9"),
        policy="p@0",
        effective_at=0,
        service_date="2026-01-05",
        proof_url="https://media.example/secret.jpg",
    )
    assert "Day of the service according to the proof: 5 January 2026." in said(body)
    assert "प्रमाण के अनुसार सेवा का दिन: 5 जनवरी 2026।" in said(body, "hi")


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (True, "The job counts in your MG plan."),
        (False, "The job does not count in your MG plan."),
        (None, "Whether the job counts in your MG plan is not decided."),
    ],
)
def test_a_penalty_says_what_it_means_for_the_earnings_plan(counts: bool | None, sentence: str) -> None:
    assert sentence in said(paf(counts_in_mg=counts))


def test_a_provisional_decision_says_that_a_step_is_outstanding() -> None:
    assert "The decision is provisional: a step is still outstanding." in said(paf(status="provisional"))
    assert "The decision is final." in said(paf())


def test_a_favourable_decision_says_that_nothing_has_to_change() -> None:
    waived = paf(outcome="waived", reasons=(), clauses=("OOS-20",), cancellation_marked=False, counts_in_mg=False)
    assert "Nothing has to change in your favour." in said(waived)
    assert "Nothing has to change" not in said(paf())


@pytest.mark.parametrize("kind", [kind for _, kind in STATEMENTS if kind != "tagging"])
def test_a_withdrawn_decision_has_no_clauses_and_takes_the_earlier_statement_back(kind: str) -> None:
    (name,) = (name for name, of in STATEMENTS if of == kind)
    body = OUTPUTS.bodies[kind](
        subject_of=name,
        case_id="job-1",
        partner_id="p1",
        status="final",
        outcome=WITHDRAWN,
        policy="p@0",
        effective_at=0,
    )
    assert [each.heading for each in made(body).sections] == [
        "What was decided",
        "Why, and what it rests on",
        "What would change it",
        "If you do not agree",
    ]
    assert "Decision: withdrawn; an earlier statement about it no longer holds." in said(body)


# Who is told


def test_nobody_is_told_of_a_decision_about_no_partner() -> None:
    assert statement(paf(partner_id=None), "d" * 32, "en") is None
    assert not has_statement(paf(partner_id=None))


def test_no_partner_is_told_of_a_refund() -> None:
    body = RefundDecision(
        subject_of="offline_service",
        case_id="job-1",
        partner_id="p1",
        status="final",
        outcome="eligible_full",
        clauses=("DIS-10",),
        policy="p@0",
        effective_at=0,
        proven_amount=Money("1500.00", "INR"),
    )
    assert statement(body, "d" * 32, "en") is None


@pytest.mark.parametrize(
    "unknown", [{"outcome": "of_tomorrow"}, {"reasons": ("of_tomorrow",)}, {"clauses": ("OOS-99",)}]
)
def test_what_a_later_version_decided_has_no_statement_rather_than_half_of_one(unknown: dict[str, Any]) -> None:
    assert statement(paf(**unknown), "d" * 32, "en") is None
    assert not has_statement(paf(**unknown))


# Nothing about others

PLANTED: Final = st.text(alphabet="0123456789abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=20).map("~{}~".format)


@given(
    refs=st.lists(PLANTED, min_size=1, max_size=5, unique=True),
    link=PLANTED,
    status=st.sampled_from(["provisional", "final"]),
    row=st.sampled_from([(name, table.kind, row) for name, table in TABLES for row in table.rows]),
    language=st.sampled_from(LANGUAGES),
)
def test_evidence_and_links_are_never_in_a_statement(
    refs: list[str],
    link: str,
    status: Status,
    row: tuple[str, type[DecisionBody], Row[Any]],
    language: Language,
) -> None:
    for body in bodies_of(row[2], row[0], row[1]):
        members = {"proof_url": link} if isinstance(body, TaggingDecision) else {}
        if isinstance(body, PafDecision):
            members = {"cancellation_ref": refs[0], "claim_ref": refs[-1]}
        found = statement(structs.replace(body, evidence=tuple(refs), status=status, **members), "d" * 32, language)
        assert found is None or "~" not in repr(found)
