"""What the processors of all partition numbers share."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.codec.limits import Limits
from schemas.codec.schema_ids import SchemaIds
from schemas.topics import Topics
from streams.policies.source import PolicySource
from streams.processor.refusal_limit import RefusalLimits
from streams.processor.retention import RetentionRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorSettings:
    """What the processors of all partition numbers share."""

    topics: Topics
    partitions: int
    policies: PolicySource
    limits: Limits
    facts_per_case_max: int
    cached_cases_max: int
    refusal_limits: RefusalLimits = field(default_factory=RefusalLimits)
    retention: RetentionRules = field(default_factory=RetentionRules)
    dead_letter_bytes_max: int = 1_000_000
    """Largest size of a dead letter, its key included."""
    schema_ids: SchemaIds = field(default_factory=SchemaIds)
    """What outputs name as their `dataschema`."""
