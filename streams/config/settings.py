"""The settings of all commands, and the only place that reads the environment.

Every setting is an environment variable `SOP_…`. A test compares the README's table with `VARIABLES`.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from schemas.codec.limits import Limits
from schemas.durations import UNITS, duration_text, parse_seconds
from schemas.errors import UsageError
from schemas.policy.model import SECOND
from schemas.suggestions import suggestion

DAY_S: Final = 86_400.0
SESSION_S_MAX: Final = 90
"""The limit, because a dead worker's partitions stay unassigned for one session, and a lost response of the broker goes
unnoticed for at least as long (see the request timeout in `streams.worker`)."""
PORT_MAX: Final = 65_535
VALUE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The limit of input topics that a worker creates; a larger value might be truncated when it is read."""

SHADOW: Final = "shadow."
"""What the names of everything begin with that a shadow writes."""
WEB_ADDRESS: Final = "an http or https address"

T = TypeVar("T")
Reader = tuple[Callable[[str], Any], str]
"""The parser of a setting, and a description of valid values."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their defaults.

    Names end in the unit (`_s` is seconds); `case_retention` and `case_memory` are seconds too.
    """

    brokers: str = "127.0.0.1:9092"
    kafka_security: str = "plaintext"
    kafka_ca_file: str = ""
    kafka_cert_file: str = ""
    kafka_key_file: str = ""
    kafka_mechanism: str = "SCRAM-SHA-512"
    kafka_user: str = ""
    kafka_password: str = field(default="", repr=False)
    kafka_password_file: str = ""
    redis_url: str = field(default="", repr=False)
    redis_url_file: str = ""
    redis_ca_file: str = ""
    redis_cert_file: str = ""
    redis_key_file: str = ""
    redis_user: str = ""
    redis_password: str = field(default="", repr=False)
    redis_password_file: str = ""
    profile: str = ""
    topic_prefix: str = ""
    schema_base_url: str = ""
    group: str = "sop-streams"
    partitions: int = 4
    replicas: int = 1
    policies: tuple[str, ...] = ()
    policy_keys: tuple[str, ...] = ()
    shadow: str = ""
    checkpoint_interval_s: float = 5.0
    transaction_timeout_s: float = 30.0
    session_timeout_s: float = 6.0
    redis_timeout_s: float = 5.0
    step_records_max: int = 2_000
    cached_cases_max: int = 5_000
    facts_per_case_max: int = 1_000
    case_retention: float = 90 * DAY_S
    erasure_days: float = 0.0
    case_memory: float = 730 * DAY_S
    value_bytes_max: int = Limits().value_bytes
    name_chars_max: int = Limits().name_chars
    url_chars_max: int = Limits().url_chars
    future_s_max: float = Limits().future_us / 1_000_000
    loop_stall_s_max: float = 10.0
    step_stall_s_max: float = 60.0
    unsaved_s_max: float = 300.0
    refused_run_max: int = 500
    refused_share_max: float = 0.5
    refused_window_records: int = 2_000
    accept_trimmed_inputs: bool = False
    metrics_listen: str = ""
    data_dir: str = ""
    archive: str = ""
    archive_file_bytes_max: int = 64 * 1024 * 1024
    archive_file_age_s: float = 3600.0
    audit_key_file: str = ""
    audit_master_key_file: str = ""
    audit_person_keys: str = ""
    database_url: str = field(default="", repr=False)
    database_url_file: str = ""
    alertmanagers: str = field(default="", repr=False)
    alertmanagers_file: str = ""
    webhooks: str = field(default="", repr=False)
    webhooks_file: str = ""
    alerts_ca_file: str = ""
    alerts_proxy: str = field(default="", repr=False)
    alerts_resend_s: float = 60.0
    console_url: str = ""
    console_listen: str = "127.0.0.1:8765"
    console_tokens_file: str = ""
    console_proxies: tuple[str, ...] = ()
    console_user_header: str = "X-Forwarded-User"
    console_actors: tuple[str, ...] = ()
    console_personal: tuple[str, ...] = ()
    console_workers: tuple[str, ...] = ()
    console_policy_diffs: str = ""
    log_level: str = "INFO"
    log_format: str = "text"
    traces_endpoint: str = ""

    @property
    def written_prefix(self) -> str:
        """What the names of the topics begin with that workers write."""
        return f"{self.topic_prefix}{SHADOW}" if self.shadow else self.topic_prefix

    @property
    def workers_group(self) -> str:
        """The consumer group of the workers."""
        return f"{SHADOW}{self.group}" if self.shadow else self.group

    @property
    def namespace(self) -> str:
        """What transactional ids and keys in Redis begin with."""
        return f"{self.topic_prefix}{self.workers_group}"

    @property
    def limits(self) -> Limits:
        """The limits on inbound events (contracts.md, "Envelope")."""
        return Limits(
            value_bytes=self.value_bytes_max,
            name_chars=self.name_chars_max,
            url_chars=self.url_chars_max,
            future_us=int(self.future_s_max * 1_000_000),
        )


def _checked(read: Callable[[str], T], is_valid: Callable[[T], object]) -> Callable[[str], T]:
    """Return a parser that raises ValueError for a value that is not valid."""

    def checked(text: str) -> T:
        value = read(text)
        if not is_valid(value):
            raise ValueError
        return value

    return checked


def _address(text: str) -> str:
    """Return `HOST:PORT`, on loopback if no host is given."""
    host, _, port = text.strip().rpartition(":")
    if not text.strip():
        return ""
    if not port.isdecimal() or int(port) > PORT_MAX or "@" in host:
        raise ValueError
    return f"{host or '127.0.0.1'}:{port}"


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(_address(part) for part in _parts(text))


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ip_network(part)) for part in _parts(text))


def web_address(text: str) -> str:
    """Return an absolute http or https address without query or fragment; raises ValueError for anything else."""
    address = text.strip()
    parts = urlsplit(address)
    if address and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
        raise ValueError
    return address


def _one_of(*values: str, read: Callable[[str], str] = str.strip) -> Reader:
    return _checked(read, values.__contains__), f"one of {', '.join(values)}"


_READERS: Final[Mapping[type, Reader]] = {
    bool: (lambda text: {"true": True, "false": False}[text.strip().lower()], "true or false"),
    int: (_checked(int, lambda number: number >= 1), "a whole number above 0"),
    float: (_checked(float, lambda number: 0 < number < math.inf), "a number above 0"),
    str: (str.strip, "text"),
    tuple: (_parts, "paths, separated by commas"),
}
_DURATION: Final = f"seconds, or text such as 90m or 1h30m (units: {UNITS})"
_SPECIAL_READERS: Final[Mapping[str, Reader]] = {
    "group": (_checked(str.strip, bool), "text"),
    "log_level": _one_of("WARNING", "INFO", "ERROR", "CRITICAL", read=str.upper),
    "log_format": _one_of("text", "json"),
    "traces_endpoint": (web_address, WEB_ADDRESS),
    "kafka_security": _one_of("plaintext", "ssl", "sasl_ssl"),
    "kafka_mechanism": _one_of("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"),
    "schema_base_url": (web_address, WEB_ADDRESS),
    "profile": (_checked(str.strip, ("", "local").__contains__), "local"),
    "value_bytes_max": (
        _checked(int, lambda number: 1 <= number <= VALUE_BYTES_MAX),
        f"a whole number from 1 to {VALUE_BYTES_MAX}",
    ),
    "erasure_days": (_checked(float, lambda days: 0 <= days < math.inf), "a number of days"),
    "metrics_listen": (_address, "PORT or HOST:PORT"),
    "alerts_proxy": (web_address, "http://HOST:PORT"),
    "console_url": (web_address, "http://HOST… or https://HOST…"),
    "console_listen": (_checked(_address, bool), "PORT or HOST:PORT"),
    "console_proxies": (_networks, "addresses or networks such as 10.0.0.0/8, separated by commas"),
    "console_user_header": (_checked(str.strip, re.compile(r"[A-Za-z0-9-]+").fullmatch), "the name of a header"),
    "policy_keys": (_parts, "public keys such as name+1234abcd+AW…, separated by commas"),
    "console_actors": (_parts, "names, separated by commas"),
    "console_personal": (_parts, "names, separated by commas"),
    "console_workers": (_addresses, "HOST:PORT, or several separated by commas"),
    "session_timeout_s": (
        _checked(parse_seconds, lambda seconds: 1 <= seconds <= SESSION_S_MAX),
        f"a duration from 1 s to {SESSION_S_MAX} s: {_DURATION}",
    ),
}

_DURATIONS: Final = frozenset({"case_retention", "case_memory"})
_NO_SECRET: Final = re.compile(r"[\w .+-]{0,64}(?::\d{0,6})?|\[[\dA-Fa-f:.]{2,45}\](?::\d{0,6})?", re.ASCII)

VARIABLES: Final[Mapping[str, str]] = {f"SOP_{each.name.upper()}": each.name for each in fields(Settings)}
"""Every environment variable, and the name of its setting."""


def settings_from(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from an environment (by default this process's).

    Raises `UsageError`, naming the variable, for an invalid value and for an unknown name that begins with `SOP_`.
    """
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for variable in sorted(name for name in given if name.startswith("SOP_")):
        name = VARIABLES.get(variable)
        if name is None:
            raise UsageError(f"{variable}: there is no such setting{suggestion(variable, VARIABLES)}")
        read, expected = _reader(name)
        try:
            values[name] = read(given[variable])
        except (KeyError, ValueError):
            raise UsageError(f"{variable}: {safe_repr(given[variable])} is not {expected}") from None
    return Settings(**values)


def _reader(name: str) -> Reader:
    if special := _SPECIAL_READERS.get(name):
        return special
    if name in _DURATIONS or name.endswith(("_s", "_s_max")):
        return _checked(parse_seconds, lambda seconds: 0 < seconds < math.inf), f"a duration above 0: {_DURATION}"
    return _READERS[type(getattr(Settings(), name))]


def safe_repr(value: str) -> str:
    """Return an invalid value for an error message: words, numbers and hosts with ports as they are.

    Anything else may be a secret, such as a password before a host, and is replaced by a placeholder.
    """
    is_safe = all(_NO_SECRET.fullmatch(part) for part in value.split(","))
    return repr(value) if is_safe else "a value that is not shown, since it may hold a secret,"


def environment_with(settings: Settings) -> dict[str, str]:
    """Return this process's environment with all settings as variables, for a worker started as a child process."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
    return others | {variable: _text(name, getattr(settings, name)) for variable, name in VARIABLES.items()}


def _text(name: str, value: Any) -> str:
    if name in _DURATIONS:
        return duration_text(round(value * SECOND))
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def cache_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for downloads: `sop-streams` under XDG_CACHE_HOME, or under ~/.cache."""
    base = (os.environ if environment is None else environment).get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sop-streams"


def data_dir(settings: Settings, environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what must be kept: SOP_DATA_DIR, or `sop-streams` under XDG_DATA_HOME or ~/.local/share."""
    if settings.data_dir:
        return Path(settings.data_dir)
    base = (os.environ if environment is None else environment).get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "sop-streams"


def log_format(environment: Mapping[str, str] | None = None) -> str:
    """Return SOP_LOG_FORMAT as it is given, also for errors before all settings are read."""
    given = os.environ if environment is None else environment
    return given.get("SOP_LOG_FORMAT", Settings().log_format).strip()


def java_home() -> str | None:
    """Return JAVA_HOME, if it is set."""
    return os.environ.get("JAVA_HOME")
