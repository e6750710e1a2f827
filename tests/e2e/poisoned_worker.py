"""Runs `sop worker` with one case on which it fails: `poisoned_worker.py HOW CASE_ID`.

`raises`, `hangs` and `kills` do so when the case is evaluated, `raises_when_due` at its first deadline.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from agents.case_agent import CaseAgent, CaseUpdate
from sop.main import main

_, HOW, CASE_ID = sys.argv
DUE_AFTER_US = 1_000_000

_new_presence_queries = CaseAgent.new_presence_queries
_decide = CaseAgent.decide
_first_decided: list[int] = []


def _poisoned(agent: CaseAgent, case_id: str) -> object:
    if case_id == CASE_ID:
        if HOW == "raises":
            raise KeyError("+91 98765 43210")
        if HOW == "hangs":
            threading.Event().wait()
        os.kill(os.getpid(), signal.SIGKILL)
    return _new_presence_queries(agent, case_id)


def _poisoned_when_due(agent: CaseAgent, case_id: str, now: int, inputs: str | None = None) -> CaseUpdate:
    decided = _decide(agent, case_id, now, inputs)
    if case_id != CASE_ID:
        return decided
    _first_decided.append(now)
    due = _first_decided[0] + DUE_AFTER_US
    if now >= due:
        raise KeyError("+91 98765 43210")
    return CaseUpdate(decided.messages, due)


if HOW == "raises_when_due":
    CaseAgent.decide = _poisoned_when_due  # type: ignore[method-assign, assignment] # on purpose
else:
    CaseAgent.new_presence_queries = _poisoned  # type: ignore[method-assign, assignment]
main(["worker"])
