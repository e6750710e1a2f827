"""A simulated day, replayed: each scripted branch ends in what it says that the rules make of it."""

from collections import Counter, defaultdict
from fnmatch import fnmatchcase

import pytest

from schemas.codec.limits import Limits
from schemas.outputs import ActionMessage, AlertMessage, DecisionMessage
from schemas.policy.model import Policy, PolicySet
from streams.replay.deduplicate import Deduplicated, deduplicate
from streams.replay.inputs import InputRecord
from streams.replay.replay import Replay
from streams.simulator.branch import Branch
from streams.simulator.branches import BRANCHES
from streams.simulator.delivery import DeliveryCounts
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import branch_of_cases, simulate

OPTIONS = SimulatorOptions(jobs=1_100, seed=3, report_interval_s=60, malformed_share=0.003)
# told of a partner, not of a case
OF_PARTNERS = "alert impossible_travel"


class Day:
    """What a replay said: the last decisions of every case, the alerts and actions of every branch."""

    def __init__(self) -> None:
        self.counts = DeliveryCounts()
        lines = enumerate(simulate(OPTIONS, self.counts), start=1)
        numbered = ((number, InputRecord("day", 0, number, line)) for number, line in lines)
        self.settled: Deduplicated = deduplicate(numbered, Limits(), None, facts_per_case_max=1_000)
        self.branch_of_cases = branch_of_cases(OPTIONS)
        self.decisions: defaultdict[str, dict[tuple[str, str, str | None], str]] = defaultdict(dict)
        self.others: defaultdict[str, set[str]] = defaultdict(set)
        self.told: Counter[str] = Counter()
        for message in Replay(PolicySet((), Policy())).run(self.settled.events):
            self._hear(message)

    def _hear(self, message: DecisionMessage | ActionMessage | AlertMessage) -> None:
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


@pytest.mark.parametrize("scripted", BRANCHES, ids=lambda branch: branch.name)
def test_every_case_of_a_branch_ends_as_scripted(day: Day, scripted: Branch) -> None:
    cases = [case for case, name in day.branch_of_cases.items() if name == scripted.name]
    assert cases
    for case in cases:
        heard = {*day.decisions[case].values(), *day.others[case]}
        heard |= day.others[""] & {OF_PARTNERS}
        missing = [wanted for wanted in scripted.leads_to if not any(fnmatchcase(each, wanted) for each in heard)]
        assert not missing, f"{case}: {missing} not among {sorted(heard)}"


def test_ordinary_cases_have_no_decision(day: Day) -> None:
    ordinary = {branch.name for branch in BRANCHES if not branch.leads_to}
    decided = {case for case, said in day.decisions.items() if said and day.branch_of_cases[case] in ordinary}
    assert not decided


def test_what_is_refused_or_repeated_is_what_was_spoilt_or_repeated(day: Day) -> None:
    assert len(day.settled.refused) == day.counts.defects.total()
    assert day.settled.duplicates == day.counts.duplicates
    assert day.counts.lines == len(day.settled.events) + len(day.settled.refused) + day.settled.duplicates
