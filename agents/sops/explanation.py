"""One English sentence about a decision, made from its body alone (contracts.md, "Decisions out")."""

from __future__ import annotations

from agents.sops.catalogue import CLAUSES, TITLES
from schemas.outputs import WITHDRAWN, DecisionBody


def explain(body: DecisionBody) -> str:
    """Return what was decided about whom, why, under which clauses, and whether a step is outstanding."""
    whom = f" for partner {body.partner_id}" if body.partner_id is not None else ""
    about = f"The {body.title} of case {body.case_id}{whom} ({TITLES[body.subject_of]})"
    if body.outcome == WITHDRAWN:
        return f"{about} is withdrawn: no rule calls for such a decision any more."
    because = f" because of {_listed(body.reasons)}" if body.reasons else ""
    under = "; ".join(f"{clause}: {CLAUSES[clause].summary}" for clause in body.clauses)
    status = "final" if body.status == "final" else "provisional, a step is still outstanding"
    return f"{about} is {body.outcome}{because}, {status}" + (f" ({under})." if under else ".")


def _listed(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
