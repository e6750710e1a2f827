"""Policy documents: TOML with the keys of the model, read, checked, hashed, written (contracts, "Policy")."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import structs

from schemas.codec.canonical_json import canonical_json
from schemas.durations import duration_text, parse_duration
from schemas.errors import PolicyError
from schemas.files import read_small_text
from schemas.policy.keys import KEY_NOTES
from schemas.policy.model import Policy, PolicySet
from schemas.policy.patterns import matches
from schemas.policy.validation import duration_keys, faults, values
from schemas.suggestions import suggestion
from schemas.timestamps import EARLIEST_US, LATEST_US, format_instant, microseconds, parse_instant

HASH_DIGITS: Final = 16
_BYTE_ORDER_MARK: Final = "\ufeff"
KEY_LEVELS_MAX: Final = 32

_DEEP_KEY: Final = rf"""(([\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{KEY_LEVELS_MAX - 1}}}"""
"""What the memory that `tomllib` takes grows with the square of; no key of ours has more than three levels."""

_DURATIONS: Final = duration_keys()
_AT: Final = re.compile(r"^(?P<reason>.*?)(?: - at `(?:key in )?\$\.?(?P<key>.*)`)?$", re.DOTALL)


def default_policy() -> Policy:
    """Return the built-in policy with its hash."""
    return hashed(Policy())


def hashed(policy: Policy) -> Policy:
    """Return the policy with its hash: 16 hexadecimal digits over the canonical form of all its keys."""
    document = msgspec.to_builtins(structs.replace(policy, effective_from=None, hash=""))
    del document["hash"]
    document["effective_from"] = None if policy.effective_from is None else format_instant(policy.effective_from)
    digest = hashlib.sha256(canonical_json(document)).hexdigest()[:HASH_DIGITS]
    return structs.replace(policy, hash=digest)


def read_policy(text: str, where: str) -> Policy:
    """Return the policy that a TOML document holds; keys that it leaves out have their defaults.

    `where` names the document in a refusal. Raises `PolicyError` ("where: key: reason") for a document that is
    malformed or inconsistent, unknown keys included.
    """
    if matches(_DEEP_KEY, text):
        raise PolicyError(f"{where}: not a policy: a key of {KEY_LEVELS_MAX} levels or more")
    try:
        document: dict[str, object] = tomllib.loads(text.removeprefix(_BYTE_ORDER_MARK))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{where}: not TOML: {_one_line(str(error))}") from None
    try:
        policy = msgspec.convert(_plain(document, where), Policy)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{where}: {_keyed(str(error))}") from None
    for key, fault in faults(policy):
        raise PolicyError(f"{where}: {_one_line(f'{key}: {fault}')}")
    return hashed(policy)


def load_policy(path: str | Path) -> Policy:
    """Return the policy of one file; raises `PolicyError` ("path: key: reason") if it cannot be read or used."""
    try:
        text = read_small_text(path)
    except ValueError as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from error
    return read_policy(text, str(path))


def load_policies(paths: Iterable[str | Path]) -> PolicySet:
    """Return the policies of some files, the built-in one before the first of them.

    Raises `PolicyError` for a file that cannot be read or used, and for two with the same label or the same begin.
    """
    policies: list[Policy] = []
    for path in paths:
        policy = load_policy(path)
        for other in policies:
            if policy.label == other.label:
                raise PolicyError(f"{path}: label: {policy.label!r} is the label of another policy too")
            if policy.effective_from == other.effective_from:
                raise PolicyError(f"{path}: effective_from: the same as that of {other.label!r}")
        policies.append(policy)
    return PolicySet(policies, default_policy())


def dump_policy(policy: Policy) -> str:
    """Return a policy as a TOML document that reads back the same, every key with what it means."""
    lines = ["# what decisions call the policy by", f"label = {_toml(policy.label)}", "", "# from when on it holds"]
    if policy.effective_from is None:
        lines.append('# effective_from = "2026-11-21T00:00:00Z" (without it: always)')
    else:
        lines.append(f"effective_from = {_toml(format_instant(policy.effective_from))}")
    group = ""
    for key, value in values(policy):
        table, _, name = key.partition(".")
        if table != group:
            group = table
            lines += ["", f"[{group}]"]
        lines.append(f"# {KEY_NOTES[key]}")
        if isinstance(value, dict):
            lines.append(f"[{key}]")
            lines += [f"{_toml(alias)} = {_toml(target)}" for alias, target in value.items()]
        else:
            lines.append(
                f"{name} = {_toml(duration_text(value) if key in _DURATIONS and isinstance(value, int) else value)}"
            )
    return "\n".join(lines) + "\n"


def _plain(document: Mapping[str, object], where: str) -> dict[str, object]:
    """Return a document with durations and the begin as microseconds; what has the wrong shape is left as it is."""
    if "label" not in document:
        raise PolicyError(f"{where}: label: missing")
    if "hash" in document:  # a field of the policy that follows from the document
        raise PolicyError(f"{where}: hash: unknown key")
    plain: dict[str, object] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            plain[name] = {key: _value(f"{name}.{key}", item, where) for key, item in value.items()}
        else:
            plain[name] = _value(name, value, where)
    return plain


def _value(key: str, value: object, where: str) -> object:
    try:
        if key in _DURATIONS:
            return parse_duration(value)
        if key == "effective_from":
            return _begin(value)
    except ValueError as error:
        raise PolicyError(f"{where}: {key}: {error}") from None
    return value


def _begin(value: object) -> int:
    if isinstance(value, str):
        return parse_instant(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("not a date-time with an offset")
    instant = microseconds(value)
    if not EARLIEST_US <= instant <= LATEST_US:
        raise ValueError("the year is not between 1970 and 9989")
    return instant


def _keyed(message: str) -> str:
    """Turn msgspec's words for a value of the wrong shape into "key: reason"."""
    match = _AT.fullmatch(_one_line(message))
    reason, key = (match["reason"], match["key"] or "") if match else (message, "")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", reason)
    if unknown:
        return _unknown(f"{key + '.' if key else ''}{unknown[1]}")
    return f"{key or 'document'}: {reason[:1].lower()}{reason[1:]}"


def _unknown(key: str) -> str:
    """Return the words for a key that no policy has, and for the key of the same table that it is nearest to."""
    table, dot, name = key.rpartition(".")
    tables = {field.name for field in structs.fields(Policy) if field.name != "hash"}
    known = {each.removeprefix(f"{table}.") for each in KEY_NOTES if each.startswith(f"{table}.")} if table else tables
    return f"{key}: unknown key{suggestion(name, known, prefix=table + dot)}"


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
