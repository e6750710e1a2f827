"""Runs `sop worker` with one case that its rules cannot survive: `poisoned_worker.py raises|hangs|kills CASE_ID`."""

from __future__ import annotations

import os
import signal
import sys
import threading

from agents.case_agent import CaseAgent
from streams.cli import main

_, HOW, CASE_ID = sys.argv
_questions = CaseAgent.questions


def _poisoned(agent: CaseAgent, case_id: str) -> object:
    if case_id == CASE_ID:
        if HOW == "raises":
            raise KeyError("+91 98765 43210")
        if HOW == "hangs":
            threading.Event().wait()
        os.kill(os.getpid(), signal.SIGKILL)
    return _questions(agent, case_id)


CaseAgent.questions = _poisoned  # type: ignore[method-assign, assignment] # that is the purpose
main(["worker"])
