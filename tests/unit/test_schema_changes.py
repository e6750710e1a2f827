"""Every class of change to a schema is found and judged: for consumers of outputs, and for producers of inputs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.sops.catalogue import OUTPUTS, POLICIES
from schemas.codec.schema_ids import SCHEMA_VERSION, SchemaIds
from schemas.jsonschema.compatibility import schema_changes
from schemas.jsonschema.export import export
from sop.main import run

RELEASED = Path(__file__).parents[2] / "schemas" / "released"
DOCUMENT: dict[str, Any] = {
    "x-direction": "out",
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "name": {"type": "string", "minLength": 1, "maxLength": 9, "description": "A name."},
        "status": {"type": "string", "enum": ["final", "provisional"]},
        "kind": {"type": "string", "const": "paf"},
        "count": {"type": "number", "minimum": 1, "maximum": 5},
        "refs": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True},
        "partner": {"type": ["string", "null"]},
        "amount": {"$ref": "#/$defs/Money"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "paid": {"anyOf": [{"$ref": "#/$defs/Day"}, {"type": "null"}]},
        "days": {"type": "array", "items": {"$ref": "#/$defs/Date"}},
    },
    "required": ["id", "name"],
    "propertyNames": {"not": {"enum": ["of_another_kind"]}},
    "$defs": {
        "Money": {"type": "object", "properties": {"units": {"type": "string"}}, "required": ["units"]},
        "Day": {"type": "string"},
        "Date": {"type": "string"},
    },
}
Edit = Callable[[dict[str, Any]], object]


def member(name: str, **keywords: Any) -> Edit:
    """Set keywords of a member; None takes one away."""

    def edit(document: dict[str, Any]) -> None:
        schema = document["properties"][name]
        schema.update(keywords)
        for keyword in [each for each, value in keywords.items() if value is None]:
            del schema[keyword]

    return edit


NARROWER: dict[str, tuple[Edit, str]] = {
    "a pattern appears": (member("name", pattern="^[a-z]+$"), "$.name"),
    "a format appears": (member("name", format="date"), "$.name"),
    "a minimum rises": (member("count", minimum=2), "$.count"),
    "a maximum falls": (member("count", maximum=4), "$.count"),
    "a length falls": (member("name", maxLength=8), "$.name"),
    "a bound appears": (member("id", maxLength=8), "$.id"),
    "a value of a closed set goes": (member("status", enum=["final"]), "$.status"),
    "an open set closes": (member("name", enum=["a"]), "$.name"),
    "null goes": (member("partner", type="string"), "$.partner"),
    "a number has to be whole": (member("count", type="integer"), "$.count"),
    "a member becomes required": (lambda d: d["required"].append("status"), "$.status"),
    "one of an inner object does": (lambda d: d["$defs"]["Money"]["required"].append("currency"), "$.amount.currency"),
    "a definition of one of several does": (lambda d: d["$defs"]["Day"].update(format="date"), "$.paid"),
    "a definition of items does": (lambda d: d["$defs"]["Date"].update(format="date"), "$.days[*]"),
    "items narrow": (member("refs", items={"type": "string", "minLength": 2}), "$.refs[*]"),
    "unknown members are refused": (lambda d: d.update(additionalProperties=False), "$"),
    "a further name is refused": (lambda d: d["propertyNames"]["not"]["enum"].append("more"), "$"),
}
WIDER: dict[str, tuple[Edit, str]] = {
    "a pattern goes": (member("id", pattern=None), "$.id"),
    "a minimum falls": (member("count", minimum=0), "$.count"),
    "a maximum rises": (member("count", maximum=6), "$.count"),
    "a bound goes": (member("name", minLength=None), "$.name"),
    "a value joins a closed set": (member("status", enum=["final", "provisional", "open"]), "$.status"),
    "a closed set opens": (member("status", enum=None), "$.status"),
    "a constant opens": (member("kind", const=None, enum=["paf", "refund"]), "$.kind"),
    "null comes": (member("name", type=["string", "null"]), "$.name"),
    "a type goes": (member("name", type=None), "$.name"),
    "a required member becomes optional": (lambda d: d["required"].remove("name"), "$.name"),
    "one of an inner object does": (lambda d: d["$defs"]["Money"]["required"].clear(), "$.amount.units"),
    "items widen": (member("refs", items={"type": "string"}), "$.refs[*]"),
    "a value may occur twice": (member("refs", uniqueItems=None), "$.refs"),
    "values of a map widen": (member("labels", additionalProperties={"type": ["string", "null"]}), "$.labels.*"),
    "a name of another kind is accepted": (lambda d: d["propertyNames"]["not"]["enum"].clear(), "$"),
}
OTHER: dict[str, tuple[Edit, str]] = {
    "a member goes": (lambda d: d["properties"].pop("partner"), "$.partner"),
    "a pattern changes": (member("id", pattern="^[a-z]+$"), "$.id"),
    "a type changes": (member("name", type="integer"), "$.name"),
    "a constant changes": (member("kind", const="refund"), "$.kind"),
    "an unknown keyword appears": (member("refs", contains={"type": "string"}), "$.refs"),
    "propertyNames has another form": (lambda d: d.update(propertyNames={"pattern": "^[a-z]+$"}), "$"),
}
HARMLESS: dict[str, tuple[Edit, str | None]] = {
    "a member comes": (lambda d: d["properties"].update(more={"type": "string"}), "$.more"),
    "a description changes": (member("name", description="Another."), None),
    "a vocabulary grows": (member("name", **{"x-known-values": ["a", "b"]}), None),
    "nothing changes": (lambda _: None, None),
}


def changes(edit: Edit, direction: str) -> list[tuple[str, bool]]:
    old = copy.deepcopy(DOCUMENT) | {"x-direction": direction}
    new = copy.deepcopy(old)
    edit(new)
    return [(each.path, each.breaks) for each in schema_changes(old, new)]


@pytest.mark.parametrize("case", NARROWER)
def test_what_refuses_more_breaks_producers_alone(case: str) -> None:
    edit, path = NARROWER[case]
    assert changes(edit, "in") == [(path, True)]
    assert changes(edit, "out") == [(path, False)]


@pytest.mark.parametrize("case", WIDER)
def test_what_accepts_more_breaks_consumers_alone(case: str) -> None:
    edit, path = WIDER[case]
    assert changes(edit, "out") == [(path, True)]
    assert changes(edit, "in") == [(path, False)]


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("case", OTHER)
def test_what_means_something_else_breaks_both(case: str, direction: str) -> None:
    edit, path = OTHER[case]
    assert (path, True) in changes(edit, direction)


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("case", HARMLESS)
def test_an_addition_breaks_nobody(case: str, direction: str) -> None:
    edit, path = HARMLESS[case]
    assert changes(edit, direction) == ([] if path is None else [(path, False)])


def test_an_unknown_keyword_is_not_guessed_at() -> None:
    old, new = DOCUMENT, {**DOCUMENT, "dependentRequired": {"id": ["name"]}}
    (change,) = schema_changes(old, new)
    assert change.breaks
    assert change.reason.startswith("unknown keyword dependentRequired changed: judged breaking")


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with the folders `old` and `new` of equal exports."""
    for name in ("old", "new"):
        export(tmp_path / name, OUTPUTS, POLICIES, SchemaIds())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edited(file: Path, edit: Edit) -> None:
    document = json.loads(file.read_bytes())
    edit(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def schema_file(name: str) -> str:
    return f"{name}-{SCHEMA_VERSION}.json"


def test_equal_exports_differ_in_nothing(exports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schemas", "diff", "old", "new"]) == 0
    assert capsys.readouterr().out == "0 changes, 0 of them breaking\n"


def test_breaking_and_other_changes_are_listed_with_file_path_and_reason(
    exports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = exports / "new"
    edited(
        new / "messages" / schema_file("decision.paf"),
        lambda d: d["$defs"]["PafDecision"]["required"].remove("outcome"),
    )
    edited(new / "messages" / schema_file("job.rated"), lambda d: d["$defs"]["JobRated"]["properties"].update(note={}))
    (new / "messages" / schema_file("job.rated")).rename(new / "messages" / "job.rated-1.9.json")
    edited(new / "asyncapi.json", lambda d: d["channels"].pop("alerts"))
    (new / schema_file("action")).unlink()
    (new / "messages" / schema_file("action")).unlink()
    assert run(["schemas", "diff", "old", "new"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "breaking: action: $: the document is gone",
        "breaking: asyncapi: $.channels['alerts']: the topic is gone",
        "breaking: messages/action: $: the document is gone",
        "breaking: messages/decision.paf: $.data.outcome: may be absent now; consumers rely on the old form",
        "ok: messages/job.rated: $.data.note: a new member",
        "5 changes, 4 of them breaking",
    ]
    assert (
        run(
            ["schemas", "diff", "--json", f"old/messages/{schema_file('job.rated')}", "new/messages/job.rated-1.9.json"]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out) == {
        "document": "job.rated",
        "path": "$.data.note",
        "breaks": False,
        "reason": "a new member",
    }


def test_a_topic_that_moves_or_is_cleaned_up_otherwise_breaks(
    exports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["channels"]["actions"]["address"] = "elsewhere"
        document["channels"]["jobs"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] = ["compact"]
        document["channels"]["tickets"]["messages"].pop("ticket.closed")
        document["channels"]["more"] = document["channels"]["alerts"]

    edited(exports / "new" / "asyncapi.json", edit)
    assert run(["schemas", "diff", "old", "new", "--json"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["path"], each["breaks"]) for each in found} == {
        ("$.channels['actions'].address", True),
        ("$.channels['jobs'].bindings", True),
        ("$.channels['tickets'].messages", True),
        ("$.channels['more']", False),
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "unexpected end of data"),
        ("[]", "is no JSON object"),
        ("{}", "has no x-direction"),
        ('{"x-direction": "out", "properties": []}', "is no JSON Schema"),
        (
            '{"x-direction": "out", "$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}, "$ref": "#/$defs/A"}',
            "nests too deeply",
        ),
    ],
)
def test_a_file_that_is_no_schema_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    file = tmp_path / "one.json"
    file.write_text(content, encoding="utf-8")
    assert run(["schemas", "diff", str(file), str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sop: ")
    assert reason in line


def test_an_empty_folder_and_a_missing_one_are_unusable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schemas", "diff", str(tmp_path), str(tmp_path)]) == 2
    assert run(["schemas", "diff", str(tmp_path / "none"), str(tmp_path)]) == 2
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "holds no schema",
        "No such file or directory",
    ]


def released() -> list[Path]:
    return sorted(RELEASED.iterdir(), key=lambda folder: [int(part) for part in folder.name.split(".")])


def test_nothing_breaks_programs_made_for_the_last_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, OUTPUTS, POLICIES, SchemaIds())
    status = run(["schemas", "diff", str(released()[-1]), str(tmp_path)])
    assert status == 0, capsys.readouterr().out


def test_a_changed_contract_has_a_version_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, OUTPUTS, POLICIES, SchemaIds())
    last = released()[-1]
    run(["schemas", "diff", str(last), str(tmp_path), "--json"])
    if capsys.readouterr().out:
        assert not (last / schema_file("action")).exists(), "raise SCHEMA_VERSION"
