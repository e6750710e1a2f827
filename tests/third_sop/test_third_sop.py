"""A third SOP is one folder and one line of the registry; everything else follows from it.

The product is copied, the folder `customer_not_available` and its line are added, and the commands run on the copy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scenario import Scenario

TOP = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "customer_not_available"
LINE = "    OFFLINE_SERVICE,\n"


OWN = {"visit_fee", "call_customer_again"}
OF_THE_POLICY = {"decision_id", "content_hash", "policy", "supersedes"}
"""Members that depend on the policy's hash, and so on the keys that the third SOP adds to it."""


@pytest.fixture(scope="module")
def product_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the product."""
    top = tmp_path_factory.mktemp("before")
    for package in ("schemas", "agents", "streams"):
        shutil.copytree(TOP / package, top / package, ignore=shutil.ignore_patterns("__pycache__"))
    return top


@pytest.fixture(scope="module")
def product(product_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the product with the third SOP."""
    top = tmp_path_factory.mktemp("after") / "product"
    shutil.copytree(product_before, top)
    shutil.copytree(FOLDER, top / "agents" / "sops" / FOLDER.name, ignore=shutil.ignore_patterns("__pycache__"))
    registry = top / "agents" / "sops" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count(LINE) == 1
    text = text.replace(LINE, LINE + "    CUSTOMER_NOT_AVAILABLE,\n")
    text = text.replace(
        "from agents.sops.offline_service",
        "from agents.sops.customer_not_available import CUSTOMER_NOT_AVAILABLE\nfrom agents.sops.offline_service",
    )
    registry.write_text(text, encoding="utf-8")
    return top


def sop(product: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sop", *arguments],
        cwd=product,
        env={**os.environ, "PYTHONPATH": str(product)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def visit(*calls: str, metres: int | None = 100) -> Scenario:
    """The partner, so many metres from the site (None: no report says), calls the customer in vain at these times."""
    case = Scenario().booked().assigned().ticket("10:00", "t1", kind="out_of_scope")
    for at in calls:
        if metres is not None:
            case.report(at, metres)
        case.call(at, "unreachable", "customer")
    return case


def replayed(product: Path, case: Scenario) -> list[dict[str, Any]]:
    (product / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in case.lines()))
    sop(product, "replay", "events.jsonl", "--out", "out.jsonl", "--jobs", "1")
    return [json.loads(line) for line in (product / "out.jsonl").read_bytes().splitlines()]


def last(messages: list[dict[str, Any]], message_type: str) -> dict[str, Any]:
    data: dict[str, Any] = [each["data"] for each in messages if each["type"] == message_type][-1]
    return data


def test_it_decides_with_its_own_field_and_explains(product: Path) -> None:
    fee = last(replayed(product, visit("11:00", "11:15")), "decision.visit_fee")
    assert (fee["outcome"], fee["status"], fee["clauses"]) == ("stands", "final", ["CNA-1"])
    assert fee["waited_s"] == 900
    assert fee["subject_of"] == "customer_not_available"
    assert fee["explanation"].startswith(
        "The visit fee of case job-1 for partner p1 (customer not available) is stands"
    )
    assert len(fee["evidence"]) == 4


@pytest.mark.parametrize(
    ("calls", "metres", "outcome", "reason"),
    [
        (("11:00",), 100, "under_review", "calls_missing"),
        (("11:00", "11:14"), 100, "under_review", "still_waiting"),
        (("11:00", "11:15"), 2000, "not_due", "not_on_site"),
        (("11:00", "11:15"), None, "under_review", "presence_unknown"),
    ],
)
def test_each_row_decides(product: Path, calls: tuple[str, ...], metres: int | None, outcome: str, reason: str) -> None:
    fee = last(replayed(product, visit(*calls, metres=metres)), "decision.visit_fee")
    assert (fee["outcome"], fee["reasons"]) == (outcome, [reason])


def test_it_asks_for_its_action_and_raises_its_alert(product: Path) -> None:
    messages = replayed(product, visit("11:00", "11:15", metres=2000))
    states = [each["data"]["state"] for each in messages if each["data"].get("code") == "call_customer_again"]
    assert states == ["open", "done"]
    assert "called_from_elsewhere" in {each["data"]["name"] for each in messages if each["type"] == "alert"}


def test_its_numbers_are_keys_of_the_policy(product: Path) -> None:
    assert "customer_not_available.wait = 15 min (duration) [CNA-1]" in sop(product, "policy", "show")
    (product / "p.toml").write_text('label = "patient"\n[customer_not_available]\nwait = "20 min"\n', encoding="utf-8")
    assert "customer_not_available.wait = 20 min (built in: 15 min)" in sop(product, "policy", "check", "p.toml")


def test_it_has_a_schema_a_topic_and_its_words(product: Path) -> None:
    sop(product, "schemas", "export", "contract")
    schema = json.loads((product / "contract" / "decision.visit_fee-1.2.json").read_bytes())
    assert schema["properties"]["outcome"]["x-known-values"] == ["stands", "not_due", "under_review", "withdrawn"]
    assert schema["properties"]["waited_s"]["type"] == "integer"
    channels = json.loads((product / "contract" / "asyncapi.json").read_bytes())["channels"]
    assert channels["decisions.visit-fee"]["messages"] == {
        "decision.visit_fee": {"$ref": "#/components/messages/decision.visit_fee"}
    }
    assert "keeps the visit fee" in " ".join(sop(product, "glossary", "CNA-1").split())


def test_a_case_is_shown_with_its_clauses_and_rows(product: Path) -> None:
    replayed(product, visit("11:00", "11:15"))
    story = sop(product, "case", "job-1", "--input", "events.jsonl")
    assert "decision visit_fee, revision 2: stands, final" in story
    assert "CNA-1: the visit fee stands if the partner waited at the site and called in vain" in story
    rows = story[story.index("visit_fee (customer not available) for p1: stands, final\n") :].splitlines()[1:6]
    assert rows == [
        "    V1 not_due: no, the partner was not off site",
        "    V2 under_review: no, the customer was called often enough",
        "    V3 under_review: no, reports show where the partner was at every call",
        "    V4 under_review: no, the partner waited long enough",
        "    V5 stands: yes, no row before it applies",
    ]


def test_a_partner_is_told_of_its_decision_in_every_language(product: Path) -> None:
    replayed(product, visit("11:00", "11:15"))
    tell = ("case", "job-1", "--input", "events.jsonl", "--statement", "--kind", "visit_fee")
    english, hindi = (sop(product, *tell, "--language", language) for language in ("en", "hi"))
    assert "Decision: you keep the fee." in english
    assert "CNA-1: the visit fee stands if the partner waited at the site and called in vain." in english
    assert "निर्णय: फ़ीस आपको मिलेगी।" in hindi


def test_the_other_sops_decide_as_before(product_before: Path, product: Path) -> None:
    case = visit("11:00", "11:15")
    before, after = (
        [
            (each["type"], each["time"], {name: value for name, value in data.items() if name not in OF_THE_POLICY})
            for each in replayed(top, case)
            if (data := each["data"]).get("kind", data.get("code")) not in OWN
        ]
        for top in (product_before, product)
    )
    assert "decision.tagging" in {message_type for message_type, _, _ in before}
    assert after == before
