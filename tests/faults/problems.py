"""Finds what a run lost, got wrong, duplicated or misplaced, compared with a replay of its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.e2e.verifier import Emitted, Outcome, outcome, violations_by_kind

Problems = Mapping[str, list[str]]


def find_problems(messages: list[Emitted], expected: Outcome, unaccounted: list[str]) -> Problems:
    """Return the problems of the emitted messages by column; `expected` is the outcome of the replay."""
    lost, wrong = _compare(outcome(each.envelope for each in messages), expected)
    return {"lost": lost, "wrong": wrong, **violations_by_kind(messages), "unaccounted": unaccounted}


def _compare(live: Outcome, expected: Outcome) -> tuple[list[str], list[str]]:
    lost: list[str] = []
    wrong: list[str] = []
    parts: list[tuple[str, Mapping[Any, object], Mapping[Any, object]]] = [
        ("decision", live.decisions, expected.decisions),
        ("open action", dict.fromkeys(live.open_actions), dict.fromkeys(expected.open_actions)),
        ("firing alert", dict.fromkeys(live.firing), dict.fromkeys(expected.firing)),
        ("dead letter", live.refused, expected.refused),
    ]
    for name, actual, wanted in parts:
        lost += [f"{name} {key}" for key in wanted if key not in actual]
        wrong += [f"{name} {key}, not in the replay" for key in actual if key not in wanted]
        differing = [key for key in actual if key in wanted and actual[key] != wanted[key]]
        wrong += [f"{name} {key}: {actual[key]}, in the replay {wanted[key]}" for key in differing]
    return lost, wrong
