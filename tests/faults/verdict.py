"""Says what of a run is lost, wrong, conflicting, stale, duplicate, misplaced, unaccounted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.e2e.verifier import Outcome, Said, faults_by_kind, outcome

Evaluation = Mapping[str, list[str]]


def judge(messages: list[Said], replayed: Outcome, unaccounted: list[str]) -> Evaluation:
    """Return what is wrong with messages, by column; `replayed` is the known answer."""
    lost, wrong = _against(outcome(each.envelope for each in messages), replayed)
    return {"lost": lost, "wrong": wrong, **faults_by_kind(messages), "unaccounted": unaccounted}


def _against(live: Outcome, replayed: Outcome) -> tuple[list[str], list[str]]:
    lost: list[str] = []
    wrong: list[str] = []
    parts: list[tuple[str, Mapping[Any, object], Mapping[Any, object]]] = [
        ("decision", live.decisions, replayed.decisions),
        ("open action", dict.fromkeys(live.open_actions), dict.fromkeys(replayed.open_actions)),
        ("firing alert", dict.fromkeys(live.firing), dict.fromkeys(replayed.firing)),
        ("dead letter", live.refused, replayed.refused),
    ]
    for name, here, there in parts:
        lost += [f"{name} {key}" for key in there if key not in here]
        wrong += [f"{name} {key}, not in the replay" for key in here if key not in there]
        differing = [key for key in here if key in there and here[key] != there[key]]
        wrong += [f"{name} {key}: {here[key]}, in the replay {there[key]}" for key in differing]
    return lost, wrong
