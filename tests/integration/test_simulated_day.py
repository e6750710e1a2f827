"""A simulated day, replayed: the rules conclude for each branch what the branch says."""

from collections import defaultdict
from fnmatch import fnmatchcase

import pytest

from schemas.codec.limits import Limits
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DecisionMessage
from schemas.policy.model import Policy, PolicySet
from streams.replay.deduplicate import Deduplicated, deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.replay import Replay
from streams.simulator.branch import Branch
from streams.simulator.delivery import DeliveryCounts
from streams.simulator.options import SimulatorOptions
from streams.simulator.planning import BRANCHES
from streams.simulator.simulation import branch_of_cases, simulate

OPTIONS = SimulatorOptions(jobs=1_100, seed=3, report_interval_s=60, malformed_share=0.003)
# an alert about a partner, not about a case
PARTNER_ALERT = "alert impossible_travel"


class Day:
    """The result of a replay: the last decisions, the actions and the alerts of every case."""

    def __init__(self) -> None:
        self.counts = DeliveryCounts()
        lines = enumerate(simulate(OPTIONS, self.counts), start=1)
        numbered = ((number, InputRecord("day", 0, number, line)) for number, line in lines)
        self.unique: Deduplicated = deduplicate(numbered, Limits(), None, facts_per_case_max=1_000)
        self.branch_of_cases = branch_of_cases(OPTIONS)
        self.decisions: defaultdict[str, dict[tuple[str, str, str | None], str]] = defaultdict(dict)
        self.others: defaultdict[str, set[str]] = defaultdict(set)
        for message in Replay(PolicySet((), Policy())).run(self.unique.events):
            self._collect(message)

    def _collect(self, message: AnyDecision | ActionMessage | AlertMessage) -> None:
        match message:
            case DecisionMessage(body=body):
                kind = body.kind.removeprefix("decision.")
                reasons = f" ({', '.join(sorted(body.reasons))})" if body.reasons else ""
                key = (kind, body.subject_of, body.partner_id if body.subject_of == "out_of_scope" else None)
                self.decisions[body.case_id][key] = f"{kind} {body.outcome}{reasons}"
            case ActionMessage(body=body):
                self.others[body.case_id].add(f"action {body.code}")
            case AlertMessage(body=body):
                self.others[dict(body.labels).get("case_id", "")].add(f"alert {body.name}")


@pytest.fixture(scope="module")
def day() -> Day:
    return Day()


@pytest.mark.parametrize("branch", BRANCHES, ids=lambda branch: branch.name)
def test_every_case_ends_as_its_branch_says(day: Day, branch: Branch) -> None:
    cases = [case for case, name in day.branch_of_cases.items() if name == branch.name]
    assert cases
    for case in cases:
        concluded = {*day.decisions[case].values(), *day.others[case]}
        concluded |= day.others[""] & {PARTNER_ALERT}
        missing = [wanted for wanted in branch.leads_to if not any(fnmatchcase(each, wanted) for each in concluded)]
        assert not missing, f"{case}: {missing} not among {sorted(concluded)}"


def test_ordinary_cases_have_no_decision(day: Day) -> None:
    ordinary = {branch.name for branch in BRANCHES if not branch.leads_to}
    decided = {case for case, decisions in day.decisions.items() if decisions and day.branch_of_cases[case] in ordinary}
    assert not decided


def test_refused_records_and_duplicates_match_what_the_simulator_made(day: Day) -> None:
    assert len(day.unique.refused) == day.counts.defects.total()
    assert day.unique.duplicates == day.counts.duplicates
    assert day.counts.lines == len(day.unique.events) + len(day.unique.refused) + day.unique.duplicates
