"""Policy documents: defaults, error messages, hashes, and reading what was written."""

import json
import os
import tomllib
from pathlib import Path

import pytest
import rfc8785
from jsonschema import Draft202012Validator

from agents.sops.catalogue import POLICIES
from schemas.codec.canonical_json import digest32
from schemas.codec.schema_ids import URN_IDS
from schemas.durations import duration_text, parse_duration, parse_seconds
from schemas.errors import PolicyError
from schemas.files import SMALL_FILE_BYTES_MAX
from schemas.jsonschema.policy import policy_schema
from schemas.policy.model import DAY, HOUR, MINUTE, SECOND, Policy, Presence

LABEL = 'label = "v2"\n'


def rejection(document: str) -> str:
    with pytest.raises(PolicyError) as error:
        POLICIES.read(document, "p.toml")
    text = str(error.value)
    assert "\n" not in text
    return text.removeprefix("p.toml: ")


def test_a_missing_key_has_its_default() -> None:
    policy = POLICIES.read(LABEL + "[presence]\nradius_m = 300", "p.toml")
    assert policy == POLICIES.hashed(Policy(label="v2", presence=Presence(radius_m=300.0)))
    assert policy.name == f"v2@{policy.hash}"


def test_the_hash_of_the_built_in_policy_is_the_same_everywhere() -> None:
    assert POLICIES.default.name == "default@71546665c1c7c1ea"


def test_the_hash_is_over_the_canonical_form_of_the_complete_document() -> None:
    policy = POLICIES.read(LABEL + "effective_from = 2026-11-21T10:00:00+05:30", "p.toml")
    document = POLICIES.document(policy)
    assert document["effective_from"] == "2026-11-21T04:30:00Z"
    assert policy.hash == digest32(rfc8785.dumps(document))[:16]


@pytest.mark.parametrize(
    "document",
    [
        LABEL + "[presence]\nradius_m = 500\nbefore = 900",
        LABEL + '[presence]\nbefore = "15 min"\nradius_m = 500.0',
        LABEL + '# words\n[presence]\nbefore = " 0 h 15min "',
    ],
)
def test_the_same_values_have_the_same_hash_in_any_notation(document: str) -> None:
    assert POLICIES.read(document, "p.toml").hash == POLICIES.read(LABEL, "p.toml").hash


@pytest.mark.parametrize(
    "document",
    ['label = "v3"', LABEL + "effective_from = 2026-11-21T10:00:00Z", LABEL + "[proof]\nmin_images = 2"],
)
def test_a_different_value_has_a_different_hash(document: str) -> None:
    assert POLICIES.read(document, "p.toml").hash != POLICIES.read(LABEL, "p.toml").hash


@pytest.mark.parametrize("effective_from", ['"2026-11-21T10:00:00.5+05:30"', "2026-11-21T10:00:00.5+05:30"])
def test_effective_from_may_be_text_or_a_toml_date_time(effective_from: str) -> None:
    assert POLICIES.read(f"{LABEL}effective_from = {effective_from}", "p.toml").effective_from == 1_795_235_400_500_000


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "label: missing"),
        ("label = ''", "label: is blank"),
        ("label = 5", "label: expected `str`, got `int`"),
        ("label = 'a@b'", "label: may not contain @ or unprintable characters"),
        ("label", "not TOML: Expected '=' after a key in a key/value pair (at end of document)"),
        (LABEL + "radius = 5", "radius: unknown key"),
        (LABEL + "hash = ''", "hash: unknown key"),
        (LABEL + "presence = 5", "presence: expected `object`, got `int`"),
        (LABEL + "[presence]\nradius = 5", "presence.radius: unknown key"),
        (LABEL + "[presence]\nradius_m = 'far'", "presence.radius_m: expected `float`, got `str`"),
        (LABEL + "[presence]\nradius_m = true", "presence.radius_m: expected `float`, got `bool`"),
        (LABEL + "[presence]\nradius_m = 0", "presence.radius_m: must be above 0"),
        (LABEL + "[presence]\nradius_m = -1.5", "presence.radius_m: must be above 0"),
        (LABEL + "[presence]\nradius_m = nan", "presence.radius_m: is not finite"),
        (LABEL + "[presence]\nradius_m = inf", "presence.radius_m: is not finite"),
        (LABEL + f"[presence]\nradius_m = {'1' * 400}", "presence.radius_m: number out of range"),
        (LABEL + "[presence]\nbefore = -1", "presence.before: must be at least 0"),
        (LABEL + "[presence]\nbefore = 1.5", "presence.before: not a duration such as"),
        (LABEL + "[presence]\nbefore = '15'", "presence.before: not a duration such as"),
        (LABEL + "[presence]\nbefore = '367 d'", "presence.before: is longer than 366 days"),
        (LABEL + "[presence]\nslot = 0", "presence.slot: must be above 0"),
        (LABEL + "[presence]\nretention = '10 min'", "presence.retention: is shorter than presence.before and"),
        (LABEL + "[presence]\nslot = '4 d'", "presence.retention: is shorter than presence.slot"),
        (LABEL + "[proof]\nmin_images = 0", "proof.min_images: must be at least 1"),
        (LABEL + f"[proof]\nmin_images = {10**30}", "proof.min_images: must be at most 9007199254740991"),
        (LABEL + "[bpc_only]\ngroups = 'rwm'", "bpc_only.groups: expected `array`, got `str`"),
        (LABEL + "[bpc_only]\ngroups = ['rwm', ' ']", "bpc_only.groups: has a blank entry"),
        (LABEL + "[city.aliases]\nA = 'B'\nB = 'C'", "city.aliases.\"A\": stands for 'B', which is itself an alias"),
        (LABEL + "[city.aliases]\nA = 'C'\na = 'C'", "city.aliases.\"a\": is given twice, also as 'A'"),
        (LABEL + "[city.aliases]\nA = ' '", 'city.aliases."A": is blank'),
        (LABEL + "[offline]\nticket_id_pattern = '('", "offline.ticket_id_pattern: is not a regular expression: "),
        (
            LABEL + "[offline]\nimage_link_pattern = '(?!x)'",
            "offline.image_link_pattern: is not a regular expression: ",
        ),
        (LABEL + "[offline]\nticket_id_pattern = '(.)\\1'", "offline.ticket_id_pattern: is not a regular expression: "),
        (
            LABEL + "[offline]\nticket_id_pattern = '(((a{99}){10}b){10}){10}'",
            "offline.ticket_id_pattern: is not a regular expression: ",
        ),
        (
            LABEL + f"[offline]\nticket_id_pattern = '{'a' * 500_000}'",
            "offline.ticket_id_pattern: is not a regular expression: pattern too large",
        ),
        (LABEL + "a." * 500_000 + "a = 1", "not a policy: a key of 32 levels or more"),
        (LABEL + "[" + "'a' . " * 31 + "a]", "not a policy: a key of 32 levels or more"),
        (LABEL + "x = {" + '"a".' * 31 + "a = 1}", "not a policy: a key of 32 levels or more"),
        (LABEL + "[" + "a." * 30 + "a]", "a: unknown key"),
        (LABEL + "a = " + "[" * 500_000, "not TOML: "),
        (LABEL + "a = " + "{a=" * 300_000, "not TOML: "),
        (LABEL + "a" * 1_000_000, "not TOML: "),
        (LABEL + "[offline]\nname_similarity = 1.01", "offline.name_similarity: must be at most 1"),
        (LABEL + "[offline]\ndefault_region = 'in'", "offline.default_region: is not a region of ISO 3166"),
        (LABEL + "[offline]\ndate_tolerance_days = 400", "offline.date_tolerance_days: must be at most 366"),
        (LABEL + "[alert]\nstay = '3 h'", "alert.stay: is longer than presence.linger"),
        (LABEL + "[alert]\nspike_floor = 0.0", "alert.spike_floor: must be above 0"),
        (LABEL + "effective_from = 2026-11-21", "effective_from: not a date-time with an offset"),
        (LABEL + "effective_from = 2026-11-21T10:00:00", "effective_from: not a date-time with an offset"),
        (LABEL + "effective_from = 'soon'", "effective_from: not an RFC 3339 date-time with an offset"),
        (LABEL + "effective_from = 9999-01-01T00:00:00Z", "effective_from: the year is not between 1970 and 9989"),
    ],
)
def test_a_malformed_or_inconsistent_policy_is_rejected_with_key_and_reason(document: str, reason: str) -> None:
    assert rejection(document).startswith(reason)


@pytest.mark.parametrize(
    ("text", "duration", "back"),
    [
        ("15 min", 15 * MINUTE, "15 min"),
        ("72 h", 72 * HOUR, "3 d"),
        ("1 h 30 min", 90 * MINUTE, "1 h 30 min"),
        ("90min", 90 * MINUTE, "1 h 30 min"),
        ("90m", 90 * MINUTE, "1 h 30 min"),
        ("1h30m", 90 * MINUTE, "1 h 30 min"),
        ("30 s", 30 * SECOND, "30 s"),
        (" 2 h ", 2 * HOUR, "2 h"),
        ("5ms", 5_000, "5 ms"),
        ("5m 5ms", 5 * MINUTE + 5_000, "5 min 5 ms"),
        ("7 d", 7 * DAY, "7 d"),
        ("250 ms 5 us", 250_005, "250 ms 5 us"),
        ("0 s", 0, "0 s"),
        (45, 45 * SECOND, "45 s"),
    ],
)
def test_durations_are_text_with_units_or_whole_seconds(text: object, duration: int, back: str) -> None:
    assert parse_duration(text) == duration
    assert duration_text(duration) == back
    assert parse_duration(back) == duration


@pytest.mark.parametrize(
    "text", ["", " ", "5", "min", "5 weeks", "5 min 1 h", "1.5 h", "-5 min", "5 M", True, None, 1.5]
)
def test_any_other_duration_is_rejected_and_the_error_lists_the_units(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a duration .*units: d, h, min or m, s, ms, us"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("0.5", 0.5), ("90m", 5400), ("1h30m", 5400), ("30 s", 30), ("250ms", 0.25)]
)
def test_seconds_are_plain_numbers_or_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 weeks", "1.5 h"])
def test_any_other_text_is_rejected_as_seconds(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_seconds(text)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbflabel = 'x'\n")
    (tmp_path / "plain.toml").write_bytes(b"label = 'x'\n")
    marked, plain = (POLICIES.load_all([tmp_path / name]) for name in ("marked.toml", "plain.toml"))
    assert marked.at(0) == plain.at(0)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("[presence]\nradius = 300", "presence.radius: unknown key; did you mean presence.radius_m?"),
        ("[parks]\nduration = '2 h'", "parks: unknown key; did you mean park?"),
        ("efective_from = 2026-01-01T00:00:00Z", "efective_from: unknown key; did you mean effective_from?"),
        ("[presence]\ncolour = 1", "presence.colour: unknown key"),
    ],
)
def test_the_error_for_an_unknown_key_suggests_a_similar_one(document: str, reason: str) -> None:
    with pytest.raises(PolicyError) as error:
        POLICIES.read(f"label = 'x'\n{document}\n", "p.toml")
    assert str(error.value) == f"p.toml: {reason}"


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(label="naïve 'and' \"quoted\"", effective_from=1_795_235_400_500_000),
        Policy(presence=Presence(reading_wait=1_500_001, radius_m=1e22, before=0)),
    ],
)
def test_reading_a_written_policy_gives_the_same_policy(policy: Policy) -> None:
    assert POLICIES.read(POLICIES.dump(policy), "p.toml") == POLICIES.hashed(policy)


def test_every_key_is_written_with_its_meaning_and_clauses() -> None:
    text = POLICIES.dump(Policy())
    for key in POLICIES.keys.values():
        assert key.clauses
        assert f"# {key.text}\n" in text


def test_the_json_schema_accepts_the_written_default_and_rejects_invalid_values() -> None:
    document = tomllib.loads(POLICIES.dump(Policy()))
    validator = Draft202012Validator(json.loads(json.dumps(policy_schema(POLICIES, URN_IDS))))
    assert not list(validator.iter_errors(document))
    for wrong in (
        {**document, "x": 1},
        {**document, "presence": {"radius_m": 0}},
        {**document, "park": {"duration": "3"}},
    ):
        assert list(validator.iter_errors(wrong))


def written(folder: Path, name: str, document: str) -> Path:
    path = folder / name
    path.write_text(document, encoding="utf-8")
    return path


def test_the_policy_in_force_is_the_latest_that_has_taken_effect_and_at_first_the_built_in_one(tmp_path: Path) -> None:
    policies = POLICIES.load_all(
        [
            written(tmp_path, "b.toml", 'label = "b"\neffective_from = 1970-01-01T00:00:02Z'),
            written(tmp_path, "a.toml", 'label = "a"\neffective_from = 1970-01-01T00:00:01Z'),
        ]
    )
    in_force = [policies.at(time).label for time in (None, -5, 999_999, 1_000_000, 1_999_999, 2_000_000)]
    assert in_force == ["default", "default", "default", "a", "a", "b"]


def test_a_policy_without_effective_from_is_always_in_force(tmp_path: Path) -> None:
    assert POLICIES.load_all([written(tmp_path, "a.toml", 'label = "a"')]).at(-(10**15)).label == "a"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (LABEL + "effective_from = 2026-11-22T00:00:00Z", "label: 'v2' is the label of another policy too"),
        ('label = "v3"\neffective_from = 2026-11-21T00:00:00Z', "effective_from: the same as that of 'v2'"),
        (LABEL + "x = 1", "x: unknown key"),
    ],
)
def test_policies_with_the_same_label_or_effective_from_are_rejected(tmp_path: Path, other: str, reason: str) -> None:
    one = written(tmp_path, "one.toml", LABEL + "effective_from = 2026-11-21T00:00:00Z")
    two = written(tmp_path, "two.toml", other)
    with pytest.raises(PolicyError) as error:
        POLICIES.load_all([one, two])
    assert str(error.value) == f"{two}: {reason}"


def test_the_error_for_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    bad, pipe, huge = tmp_path / "bad.toml", tmp_path / "pipe.toml", tmp_path / "huge.toml"
    bad.write_bytes(b"\xff")
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file
    for path, reason in (
        (tmp_path / "none.toml", "No such file or directory"),
        (bad, "not UTF-8"),
        (tmp_path, "is a directory"),
        (pipe, "is not a regular file"),
        (huge, "is longer than 1048576 bytes"),
        (Path("/dev/zero"), "is not a regular file"),
    ):
        with pytest.raises(PolicyError) as error:
            POLICIES.load_all([path])
        assert str(error.value) == f"{path}: cannot be read: {reason}"


def test_a_policy_may_be_as_long_as_a_small_file_and_a_symbolic_link(tmp_path: Path) -> None:
    full, longer, link = (written(tmp_path, name, LABEL) for name in ("full.toml", "longer.toml", "link.toml"))
    full.write_text(LABEL + "#" * (SMALL_FILE_BYTES_MAX - len(LABEL)), encoding="ascii")
    longer.write_text(LABEL + "#" * (SMALL_FILE_BYTES_MAX - len(LABEL) + 1), encoding="ascii")
    link.unlink()
    link.symlink_to(full)
    assert POLICIES.load(link).label == "v2"
    with pytest.raises(PolicyError, match="is longer than"):
        POLICIES.load(longer)
