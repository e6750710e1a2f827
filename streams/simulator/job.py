"""A planned job and its partners."""

from dataclasses import dataclass, field

from streams.simulator.branch import Branch
from streams.simulator.cities import SimCity
from streams.simulator.people import Person
from streams.simulator.points import PlanePoint


@dataclass(frozen=True, slots=True)
class Partner:
    """A professional; `group` is empty for most. `run` is the simulation's label."""

    run: str
    number: int
    group: str
    person: Person
    home: PlanePoint

    @property
    def partner_id(self) -> str:
        """The id of the partner."""
        return f"partner-{self.run}-{self.number:04d}"


@dataclass(slots=True)
class Job:
    """One planned job; instants are in microseconds since the epoch.

    The partner is at `site` or `elsewhere`, as the branch says, from `arrive_at` to `leave_at`. `second` is the partner
    who takes over, if the branch has one. `run` is the simulation's label. `number` counts the jobs by booking, from 1.
    """

    run: str
    branch: Branch
    city: SimCity
    city_spelling: str
    site: PlanePoint
    elsewhere: PlanePoint
    category: str
    group: str
    booked_at: int
    scheduled_at: int
    arrive_at: int
    leave_at: int
    number: int = 0
    partner: Partner = field(init=False)
    second: Partner | None = None

    @property
    def job_id(self) -> str:
        """The id of the booking."""
        return f"job-{self.run}-{self.number:06d}"

    @property
    def customer_id(self) -> str:
        """The id of the customer."""
        return f"customer-{self.run}-{self.number:06d}"

    @property
    def stay_min(self) -> float:
        """How long the partner stays, in minutes."""
        return (self.leave_at - self.arrive_at) / 60_000_000
