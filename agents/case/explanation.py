"""One English sentence about a decision, made from its body alone (contracts, "Decisions out")."""

from __future__ import annotations

from typing import Final

from agents.clauses import CLAUSES
from schemas.outputs import WITHDRAWN, DecisionBody

_SUBJECT: Final = {
    "tagging": "tagging",
    "paf": "PAF",
    "rating_reversal": "rating reversal",
    "refund": "refund",
}


def explain(body: DecisionBody) -> str:
    """Return the sentence: what was decided on whom, why, under which clauses, and whether a step is outstanding."""
    whom = f" for partner {body.partner_id}" if body.partner_id is not None else ""
    side = "out of scope" if body.subject_of == "out_of_scope" else "offline service"
    about = f"The {_SUBJECT[body.kind]} of case {body.case_id}{whom} ({side})"
    if body.outcome == WITHDRAWN:
        return f"{about} is withdrawn: no rule calls for such a decision any more."
    because = f" because of {_listed(body.reasons)}" if body.reasons else ""
    under = "; ".join(f"{clause}: {CLAUSES[clause]}" for clause in body.clauses)
    standing = "final" if body.status == "final" else "provisional, a step is still outstanding"
    return f"{about} is {body.outcome}{because}, {standing}" + (f" ({under})." if under else ".")


def _listed(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
