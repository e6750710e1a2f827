"""Reads, checks, hashes and writes policy documents in TOML (contracts.md, "Policy")."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, get_args, get_type_hints

import msgspec
import rfc8785
from msgspec import structs

from schemas.codec.canonical_json import JsonValue, digest32
from schemas.durations import duration_text, parse_duration
from schemas.errors import PolicyError
from schemas.files import read_small_text
from schemas.policy.model import DURATION, Alert, City, Key, Policy, PolicySet, Presence, Section
from schemas.policy.patterns import matches
from schemas.policy.validation import violations
from schemas.suggestions import suggestion
from schemas.timestamps import format_instant, parse_instant

HASH_DIGITS: Final = 16
SIGNATURE_HEADER: Final = "sop-signature"
"""The name of a record header with a line of a signed note; there is one header for each signature."""
_BYTE_ORDER_MARK: Final = "\ufeff"
KEY_LEVELS_MAX: Final = 32

_DEEP_KEY: Final = rf"""(([\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{KEY_LEVELS_MAX - 1}}}"""
"""A dotted key with so many levels that `tomllib`, whose memory grows with their square, must not see it. No policy key
has more than three."""

_AT: Final = re.compile(r"^(?P<reason>.*?)(?: - at `(?:key in )?\$\.?(?P<key>.*)`)?$", re.DOTALL)


SHARED: Final = (Presence, City, Alert)
"""The sections that any SOP may use."""


def value_text(key: Key, value: object) -> str:
    """Return the value of a key as people read it."""
    if key.unit == DURATION and isinstance(value, int):
        return duration_text(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {other}" for name, other in value.items()) or "none"
    return str(value)


class PolicyFormat:
    """The format of policy documents: the sections that all SOPs share, and `sections` of some SOPs."""

    def __init__(self, sections: Iterable[type[Section]]) -> None:
        tables: list[type[Section]] = [Presence, City, *sections, Alert]
        self.sections: Final = {section.table(): section for section in tables}
        """The section of every table, by its name, in the order of the document."""
        self.keys: Final = {
            f"{table}.{name}": next(each for each in get_args(hint) if isinstance(each, Key))
            for table, section in self.sections.items()
            for name, hint in get_type_hints(section, include_extras=True).items()
        }
        """Every key by its name (`presence.radius_m`), in the order of the document."""
        self._document = msgspec.defstruct(
            "Document",
            [
                ("label", str),
                ("effective_from", int | None, None),
                *((table, section, section()) for table, section in self.sections.items()),
            ],
            frozen=True,
            forbid_unknown_fields=True,
        )
        self.default: Final = self.hashed(Policy())
        """The built-in policy."""

    def values(self, policy: Policy) -> Iterator[tuple[str, Key, object]]:
        """Yield the name, key and value of every key, in the order of the document."""
        for name, key in self.keys.items():
            table, _, field = name.partition(".")
            yield name, key, getattr(policy[self.sections[table]], field)

    def changes(self, policy: Policy) -> Iterator[tuple[str, Key, object, object]]:
        """Yield the name, key, value and built-in value of every key that a policy changes."""
        for (name, key, value), (_, _, built_in) in zip(self.values(policy), self.values(self.default), strict=True):
            if value != built_in:
                yield name, key, value, built_in

    def hashed(self, policy: Policy) -> Policy:
        """Return a policy with all sections and its hash: 16 hexadecimal digits over the canonical form."""
        document = self.document(policy)
        digest = digest32(rfc8785.dumps(document))[:HASH_DIGITS]
        sections = tuple(policy[section] for section in self.sections.values() if section not in SHARED)
        return structs.replace(policy, sections=sections, hash=digest)

    def document(self, policy: Policy) -> dict[str, JsonValue]:
        """Return the complete document of a policy, JSON-ready; durations in microseconds."""
        tables: dict[str, JsonValue] = {
            table: msgspec.to_builtins(policy[section]) for table, section in self.sections.items()
        }
        effective_from = None if policy.effective_from is None else format_instant(policy.effective_from)
        return {"label": policy.label, "effective_from": effective_from, **tables}

    def read(self, text: str, where: str) -> Policy:
        """Return the policy in a TOML document; missing keys have their defaults.

        `where` names the document in errors. Raises `PolicyError` ("where: key: reason") for a document that is
        malformed or inconsistent, or has an unknown key.
        """
        if matches(_DEEP_KEY, text):
            raise PolicyError(f"{where}: not a policy: a key of {KEY_LEVELS_MAX} levels or more")
        try:
            document: dict[str, object] = tomllib.loads(text.removeprefix(_BYTE_ORDER_MARK))
        except (ValueError, RecursionError) as error:
            raise PolicyError(f"{where}: not TOML: {_one_line(str(error))}") from None
        try:
            read = structs.asdict(msgspec.convert(self._plain(document, where), self._document))
        except msgspec.ValidationError as error:
            raise PolicyError(f"{where}: {self._keyed(str(error))}") from None
        policy = Policy(
            label=read["label"],
            effective_from=read["effective_from"],
            presence=read["presence"],
            city=read["city"],
            alert=read["alert"],
            sections=tuple(read[table] for table, section in self.sections.items() if section not in SHARED),
        )
        for key, violation in violations(policy, self.values(policy)):
            raise PolicyError(f"{where}: {_one_line(f'{key}: {violation}')}")
        return self.hashed(policy)

    def load(self, path: str | Path) -> Policy:
        """Return the policy in a file; raises `PolicyError` ("path: key: reason") if it cannot be read or used."""
        try:
            text = read_small_text(path)
        except ValueError as error:
            raise PolicyError(f"{path}: cannot be read: {error}") from error
        return self.read(text, str(path))

    def load_all(self, paths: Iterable[str | Path]) -> PolicySet:
        """Return the policies in some files; the built-in one is in force before the first of them.

        Raises `PolicyError` for a file that cannot be read or used, and for two policies with the same label or the
        same `effective_from`.
        """
        policies: list[Policy] = []
        for path in paths:
            policy = self.load(path)
            refuse_clash(policy, policies, str(path))
            policies.append(policy)
        return PolicySet(policies, self.default)

    def dump(self, policy: Policy) -> str:
        """Return a policy as a TOML document with a comment for every key; reading it gives the same policy."""
        lines = [
            "# the name of the policy in decisions",
            f"label = {_toml(policy.label)}",
            "",
            "# when it takes effect",
        ]
        if policy.effective_from is None:
            lines.append('# effective_from = "2026-11-21T00:00:00Z" (without it: always)')
        else:
            lines.append(f"effective_from = {_toml(format_instant(policy.effective_from))}")
        current = ""
        for name, key, value in self.values(policy):
            table, _, field = name.partition(".")
            if table != current:
                current = table
                lines += ["", f"[{table}]"]
            lines.append(f"# {key.text}")
            if isinstance(value, dict):
                lines.append(f"[{name}]")
                lines += [f"{_toml(alias)} = {_toml(target)}" for alias, target in value.items()]
            else:
                written = duration_text(value) if key.unit == DURATION and isinstance(value, int) else value
                lines.append(f"{field} = {_toml(written)}")
        return "\n".join(lines) + "\n"

    def _plain(self, document: Mapping[str, object], where: str) -> dict[str, object]:
        """Return a document with durations and `effective_from` in microseconds; other values are left as they are."""
        if "label" not in document:
            raise PolicyError(f"{where}: label: missing")
        plain: dict[str, object] = {}
        for name, value in document.items():
            if isinstance(value, dict):
                plain[name] = {key: self._value(f"{name}.{key}", item, where) for key, item in value.items()}
            else:
                plain[name] = self._value(name, value, where)
        return plain

    def _value(self, key: str, value: object, where: str) -> object:
        try:
            if key in self.keys and self.keys[key].unit == DURATION:
                return parse_duration(value)
            if key == "effective_from":
                return _effective_from(value)
        except ValueError as error:
            raise PolicyError(f"{where}: {key}: {error}") from None
        return value

    def _keyed(self, message: str) -> str:
        """Turn msgspec's message about a value of the wrong shape into "key: reason"."""
        match = _AT.fullmatch(_one_line(message))
        reason, key = (match["reason"], match["key"] or "") if match else (message, "")
        unknown = re.fullmatch(r"Object contains unknown field `(.*)`", reason)
        if unknown:
            return self._unknown(f"{key + '.' if key else ''}{unknown[1]}")
        return f"{key or 'document'}: {reason[:1].lower()}{reason[1:]}"

    def _unknown(self, key: str) -> str:
        """Return the error for an unknown key, with the most similar key of the same table."""
        table, dot, name = key.rpartition(".")
        tables = {"label", "effective_from", *self.sections}
        known = (
            {each.removeprefix(f"{table}.") for each in self.keys if each.startswith(f"{table}.")} if table else tables
        )
        return f"{key}: unknown key{suggestion(name, known, prefix=table + dot)}"


def refuse_clash(policy: Policy, others: Iterable[Policy], where: str) -> None:
    """Raise `PolicyError` ("where: key: reason") if a policy has the label or `effective_from` of another one."""
    for other in others:
        if policy.label == other.label:
            raise PolicyError(f"{where}: label: {policy.label!r} is the label of another policy too")
        if policy.effective_from == other.effective_from:
            raise PolicyError(f"{where}: effective_from: the same as that of {other.label!r}")


def _effective_from(value: object) -> int:
    if isinstance(value, str):
        return parse_instant(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return parse_instant(value.isoformat())
    raise ValueError("not a date-time with an offset")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _toml(value: object) -> str:
    if isinstance(value, str):
        if "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return repr(value)
