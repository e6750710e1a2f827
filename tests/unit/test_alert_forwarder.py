"""What the alert forwarder sends, to whom and when."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.codec.encoder import alert_id, encode_message
from schemas.errors import Unavailable, UsageError
from schemas.outputs import AlertBody, AlertMessage
from schemas.timestamps import SECOND_US, format_instant
from streams.config.settings import Settings
from streams.runtime.ports import TP
from surfaces.alert_forwarder.alert import StoredAlert, alertmanager_alert, decode_alert, webhook_body
from surfaces.alert_forwarder.alertmanager import ALERTS_PER_REQUEST_MAX, AlertmanagerSender
from surfaces.alert_forwarder.http import Answer
from surfaces.alert_forwarder.receivers import Receiver, receivers_from
from surfaces.alert_forwarder.store import AlertStore
from surfaces.alert_forwarder.webhook import GIVE_UP_S, WebhookSender, pause_s, signed_headers
from surfaces.sink.ports import Position, Record

NOW = 1_795_219_200 * SECOND_US
MINUTE, HOUR = 60 * SECOND_US, 3_600 * SECOND_US
SECRETS = (b"n" * 32, b"o" * 24)
WEBHOOK = Receiver("webhook 1 at https://desk", "https://desk/hook?token=t0ken", SECRETS)
TEXTS = tuple(f"whsec_{base64.b64encode(each).decode()}" for each in SECRETS)


def condition(case: str = "job-1", **labels: str) -> AlertBody:
    return AlertBody(
        name="park_overdue",
        severity="warning",
        state="firing",
        key=("case_id",),
        labels={"case_id": case, **labels},
        summary="a parked ticket waits for the call to the partner",
        evidence=("/desk#1",),
        starts_at=NOW - HOUR,
    )


def but(body: AlertBody, **changes: Any) -> AlertBody:
    return msgspec.structs.replace(body, **changes)


def event(body: AlertBody) -> bytes:
    return encode_message(AlertMessage(body=body, alert_id=alert_id(body), subject=body.labels.get("case_id", "p-9")))


class Log:
    """Records of the topic, written to a store one by one; the time of each is given in minutes after `NOW`."""

    def __init__(self, store: AlertStore) -> None:
        self._store, self._offset = store, 0

    def add(self, *values: AlertBody | bytes | None, minute: int = 0) -> None:
        tp = TP("alerts", 3)
        for each in values:
            value = event(each) if isinstance(each, AlertBody) else each
            timestamp = (NOW + minute * MINUTE) // 1_000
            record = Record(tp, "id", self._offset, timestamp, b"key", value, ())
            self._offset += 1
            self._store.write([record], {tp: Position("id", self._offset)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    store = AlertStore(tmp_path / "folder" / "alerts.sqlite", 15 * MINUTE)
    yield store
    store.close()


@pytest.fixture
def log(store: AlertStore) -> Log:
    return Log(store)


class FakeClient:
    """Answers with the given statuses, the last one for ever; None is no answer."""

    def __init__(self, *statuses: int | None) -> None:
        self._statuses = list(statuses)
        self.posts: list[tuple[str, bytes, Mapping[str, str]]] = []

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.posts.append((url, body, headers))
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status is None:
            raise Unavailable("no answer within 10 s")
        return Answer(status, "because")

    @property
    def payloads(self) -> list[Any]:
        return [json.loads(body) for _, body, _ in self.posts]


def as_sent(body: AlertBody, ends_at: int | None, console_url: str = "") -> dict[str, Any]:
    stored = StoredAlert(1, "msg", event(body), ends_at)
    sent: dict[str, Any] = json.loads(msgspec.json.encode(alertmanager_alert(stored, NOW, 4 * MINUTE, console_url)))
    return sent


def test_a_firing_alert_is_as_alertmanager_takes_it() -> None:
    assert as_sent(condition(city="pune"), None, "https://console/") == {
        "labels": {"alertname": "park_overdue", "severity": "warning", "case_id": "job-1", "city": "pune"},
        "annotations": {
            "summary": "a parked ticket waits for the call to the partner",
            "description": f"Case job-1, since {format_instant(NOW - HOUR)}. Evidence: /desk#1.",
            "console": "https://console/cases/job-1",
        },
        "startsAt": format_instant(NOW - HOUR),
        "endsAt": format_instant(NOW + 4 * MINUTE),
        "generatorURL": "https://console/cases/job-1",
    }


@pytest.mark.parametrize(
    ("body", "ends_at", "starts", "ends"),
    [
        (but(condition(), ends_at=NOW + HOUR), NOW + HOUR, NOW - HOUR, NOW + HOUR),  # a moment
        (but(condition(), ends_at=NOW - MINUTE), NOW - MINUTE, NOW - HOUR, NOW - MINUTE),  # one that is over
        (condition(), NOW - MINUTE, NOW - HOUR, NOW - MINUTE),  # another label set has taken its place
        (but(condition(), state="resolved"), NOW - MINUTE, NOW - HOUR, NOW - MINUTE),
        (but(condition(), state="resolved"), NOW + MINUTE, NOW - HOUR, NOW),  # by a clock that is ahead
        (but(condition(), starts_at=NOW + HOUR), None, NOW, NOW + 4 * MINUTE),  # by a clock that is ahead
        (but(condition(), state="resolved", starts_at=NOW + HOUR), NOW + HOUR, NOW, NOW),
    ],
)
def test_an_alert_never_ends_before_it_starts_nor_is_resolved_in_the_future(
    body: AlertBody, ends_at: int, starts: int, ends: int
) -> None:
    sent = as_sent(body, ends_at)
    assert (sent["startsAt"], sent["endsAt"]) == (format_instant(starts), format_instant(ends))


def test_an_alert_about_a_partner_links_to_the_partner_and_names_some_of_its_evidence() -> None:
    evidence = tuple(f"/apps#{letter}" for letter in "abcdefghijkl")
    body = but(condition(), key=("partner_id",), labels={"partner_id": "p-9"}, evidence=evidence)
    sent = as_sent(body, None, "https://console")
    assert sent["annotations"]["console"] == "https://console/partners/p-9"
    assert sent["annotations"]["description"].endswith(" /apps#i, /apps#j and 2 more.")


def fires(store: AlertStore, now: int = NOW) -> list[tuple[str, str, int | None]]:
    """Return state, city and end of all alerts that would be sent."""
    bodies = [(decode_alert(each.event).body, each.ends_at) for each in store.alerts(now)]
    return [(body.state, body.labels.get("city", ""), ends_at) for body, ends_at in bodies]


def test_a_changed_label_set_ends_the_one_before_until_it_comes_back(store: AlertStore, log: Log) -> None:
    log.add(condition())
    log.add(condition(city="pune"), minute=1)
    assert fires(store) == [("firing", "", NOW + MINUTE), ("firing", "pune", None)]
    log.add(condition(), minute=2)
    assert fires(store) == [("firing", "pune", NOW + 2 * MINUTE), ("firing", "", None)]
    log.add(but(condition(), state="resolved", ends_at=NOW + 3 * MINUTE), minute=3)
    assert fires(store) == [("firing", "pune", NOW + 2 * MINUTE), ("resolved", "", NOW + 3 * MINUTE)]


def test_what_has_ended_is_sent_for_some_time_and_forgotten(store: AlertStore, log: Log) -> None:
    log.add(condition("job-1"), but(condition("job-2"), ends_at=NOW + 5 * MINUTE), condition("job-3"))
    log.add(but(condition("job-1"), state="resolved", ends_at=NOW), minute=1)
    assert [len(store.alerts(NOW + minute * MINUTE)) for minute in (15, 16, 19, 20, 9_999)] == [3, 2, 2, 1, 1]
    store.tidy(NOW + 16 * MINUTE)
    assert len(store.alerts(NOW)) == 2


def test_only_what_has_changed_is_sent_at_once(store: AlertStore, log: Log) -> None:
    log.add(condition("job-1"), condition("job-2"))
    latest = store.alerts(NOW)[-1].number
    assert store.alerts(NOW, latest) == []
    log.add(condition("job-1"))
    assert [each.message_id for each in store.alerts(NOW, latest)] == ["msg_id_3_2"]


def test_what_is_no_alert_is_named_and_passed_over(
    store: AlertStore, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    action = event(condition()).replace(b'"type":"alert"', b'"type":"action"')
    log.add(None, b"{}", b"\xff", action, condition())
    assert [each.message_id for each in store.alerts(NOW)] == ["msg_id_3_4"]
    assert [each.getMessage().partition(": ")[0] for each in caplog.records] == [f"alerts-3@{at}" for at in range(4)]
    assert store.positions() == {TP("alerts", 3): Position("id", 5)}


def outbox(store: AlertStore, receiver: str = "r") -> list[str]:
    found = []
    while (waiting := store.next_message(receiver)) is not None:
        found.append(waiting.message_id)
        store.remove(receiver, waiting.message_id)
    return found


def test_a_new_webhook_gets_what_fires_and_all_that_comes_later(store: AlertStore, log: Log) -> None:
    log.add(condition("job-1"), condition("job-2"), but(condition("job-3"), ends_at=NOW - MINUTE))
    log.add(but(condition("job-1"), state="resolved", ends_at=NOW))
    assert not store.is_admitted("r")
    store.admit("r", NOW, has_outbox=True)
    store.admit("r", NOW, has_outbox=True)
    log.add(condition("job-4"))
    assert outbox(store) == ["msg_id_3_1", "msg_id_3_4"]
    store.keep_receivers(["r"])
    assert store.is_admitted("r")
    store.keep_receivers(["another"])
    assert not store.is_admitted("r")


def test_messages_about_one_alert_keep_their_order(store: AlertStore, log: Log) -> None:
    store.admit("r", NOW, has_outbox=True)
    log.add(condition("job-1"), but(condition("job-1"), state="resolved", ends_at=NOW), condition("job-2"))
    store.postpone("r", "msg_id_3_0", NOW, NOW + HOUR)
    assert outbox(store) == ["msg_id_3_2", "msg_id_3_0", "msg_id_3_1"]


def test_of_too_many_waiting_messages_the_oldest_are_dropped(
    store: AlertStore, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surfaces.alert_forwarder.store.OUTBOX_MESSAGES_MAX", 2)
    store.admit("r", NOW, has_outbox=True)
    log.add(*(condition(f"job-{number}") for number in range(5)))
    assert store.tidy(NOW) == {"r": 3}
    assert store.tidy(NOW) == {}
    assert outbox(store) == ["msg_id_3_3", "msg_id_3_4"]


class Desk:
    """A webhook's sender with a clock that the test sets."""

    def __init__(self, store: AlertStore, client: FakeClient) -> None:
        self.now = NOW
        store.admit(WEBHOOK.key, NOW, has_outbox=True)
        self.sender = WebhookSender(WEBHOOK, store, client, asyncio.Event(), lambda: self.now)

    async def all_due(self) -> float | None:
        """Deliver what is due, and return in how many seconds the next is."""
        while (wait_s := await self.sender.step()) == 0:
            pass
        return wait_s


async def test_a_message_is_signed_for_the_reference_library_with_each_secret(store: AlertStore, log: Log) -> None:
    client = FakeClient(204)
    desk = Desk(store, client)
    log.add(condition())
    assert await desk.all_due() is None
    ((url, body, headers),) = client.posts
    assert url == WEBHOOK.url
    at = datetime.fromtimestamp(NOW / SECOND_US, UTC)
    assert headers["webhook-timestamp"] == str(NOW // SECOND_US)
    signatures = [Webhook(text).sign("msg_id_3_0", at, body.decode()) for text in TEXTS]
    assert headers["webhook-signature"].split() == signatures
    found = json.loads(body)
    assert (found["type"], found["timestamp"]) == ("alert.firing", format_instant(NOW - HOUR))
    assert found["data"] == json.loads(event(condition()))["data"]


def test_a_signature_covers_the_body() -> None:
    body = webhook_body(event(condition()))
    headers = signed_headers("msg_1", int(datetime.now(UTC).timestamp()), body, SECRETS)  # noqa: TID251 - the library's clock
    Webhook(TEXTS[1]).verify(body, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(TEXTS[1]).verify(body + b" ", dict(headers))


async def test_a_message_is_tried_with_growing_pauses_and_given_up_after_days(
    store: AlertStore, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    client = FakeClient(500, None, 503)
    desk = Desk(store, client)
    log.add(condition())
    pauses = []
    while (wait_s := await desk.all_due()) is not None:
        pauses.append(wait_s)
        desk.now += round(wait_s * SECOND_US)
    assert all(0.8 * base <= pause <= 1.2 * base for base, pause in zip((5, 20, 80, 320, 1280), pauses, strict=False))
    assert all(0.8 * 3_600 <= pause <= 1.2 * 3_600 for pause in pauses[5:])
    assert desk.now - NOW >= GIVE_UP_S * SECOND_US
    assert len({(headers["webhook-id"], body) for _, body, headers in client.posts}) == 1
    assert len({headers["webhook-timestamp"] for _, _, headers in client.posts}) == len(client.posts)
    lines = [each.getMessage() for each in caplog.records]
    assert lines[0] == "webhook 1 at https://desk: answers with 500; trying again"
    assert lines[-1] == f"webhook 1 at https://desk: msg_id_3_0 is given up after {len(client.posts)} tries"
    assert len(lines) == 4
    assert "t0ken" not in caplog.text


def test_messages_that_failed_together_are_not_tried_together_again() -> None:
    assert len({pause_s(f"msg_{number}", 1) for number in range(100)}) == 100


async def test_a_webhook_that_is_gone_gets_nothing_more(store: AlertStore, log: Log) -> None:
    client = FakeClient(410)
    desk = Desk(store, client)
    log.add(condition("job-1"), condition("job-2"))
    await desk.sender.run()
    assert len(client.posts) == 1
    assert outbox(store, WEBHOOK.key) == []
    assert not store.is_admitted(WEBHOOK.key)


def alertmanager(store: AlertStore, client: FakeClient) -> AlertmanagerSender:
    receiver = Receiver("Alertmanager 1 at http://am", "http://am/prefix/")
    return AlertmanagerSender(receiver, store, client, asyncio.Event(), lambda: NOW, interval_s=60.0, console_url="")


async def test_alerts_go_to_alertmanager_in_requests_of_bounded_size(store: AlertStore, log: Log) -> None:
    client = FakeClient(200)
    log.add(*(condition(f"job-{number}") for number in range(ALERTS_PER_REQUEST_MAX + 1)))
    assert await alertmanager(store, client).send(store.alerts(NOW))
    assert [url for url, _, _ in client.posts] == ["http://am/prefix/api/v2/alerts"] * 2
    assert [len(each) for each in client.payloads] == [ALERTS_PER_REQUEST_MAX, 1]
    assert client.payloads[0][0]["endsAt"] == format_instant(NOW + 4 * MINUTE)


@pytest.mark.parametrize(
    ("status", "is_done", "line"),
    [
        (400, True, "refuses alerts (400): because"),
        (422, True, "refuses alerts (422): because"),
        (503, False, "refuses alerts (503): because; trying again"),
        (None, False, "no answer within 10 s; trying again"),
    ],
)
async def test_a_refusal_is_said_once_and_only_a_failure_is_tried_again(
    store: AlertStore, log: Log, caplog: pytest.LogCaptureFixture, status: int | None, line: str, *, is_done: bool
) -> None:
    log.add(condition())
    sender = alertmanager(store, FakeClient(status))
    assert [await sender.send(store.alerts(NOW)) for _ in range(3)] == [is_done] * 3
    assert [each.getMessage() for each in caplog.records] == [f"Alertmanager 1 at http://am: {line}"]


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    file = tmp_path / "secrets"
    file.write_text("\n".join(TEXTS) + "\n")
    return file


def test_receivers_come_from_settings_unless_they_are_given(secrets_file: Path) -> None:
    settings = Settings(
        alertmanagers="http://127.0.0.1:9093/am,https://am-2:9093",
        webhooks=f"https://desk/hook?token=t0ken {secrets_file}, https://user:pass@other {secrets_file}",
    )
    found = receivers_from(settings)
    assert [each.name for each in found] == [
        "Alertmanager 1 at http://127.0.0.1:9093",
        "Alertmanager 2 at https://am-2:9093",
        "webhook 1 at https://desk",
        "webhook 2 at https://other",
    ]
    assert [each.secrets for each in found] == [(), (), SECRETS, SECRETS]
    assert "t0ken" not in repr(found)
    given = receivers_from(settings, ["https://[::1]:9"], [("https://desk", str(secrets_file))])
    assert [each.name for each in given] == ["Alertmanager 1 at https://[::1]:9", "webhook 1 at https://desk"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "name a receiver: --alertmanager URL or --webhook URL FILE"),
        ({"alertmanagers": "am:9093"}, "Alertmanager 1: its address is not http://HOST… or https://HOST…"),
        ({"alertmanagers": "https://am:port"}, "Alertmanager 1: its address is not http://HOST"),
        ({"alertmanagers": "https://am,http://am"}, "Alertmanager 2: http to another machine"),
        ({"alertmanagers": "https://am,https://am"}, "two receivers have the same address"),
        ({"alertmanagers_file": "/absent"}, "SOP_ALERTMANAGERS_FILE: the file that it names cannot be read"),
        ({"webhooks": "https://desk"}, "SOP_WEBHOOKS: each webhook is an address, a space, and the file"),
        ({"webhooks": "https://desk /absent"}, "webhook 1: the file of its secrets cannot be read: No such file"),
        ({"webhooks": "https://desk {empty}"}, "webhook 1: the file of its secrets is empty"),
        ({"webhooks": "https://desk {short}"}, "webhook 1: secret 2 in its file is not whsec_ and the Base64 of 24 to"),
    ],
)
def test_an_unusable_receiver_is_named_without_its_address(
    given: dict[str, str], message: str, tmp_path: Path, secrets_file: Path
) -> None:
    files = {"empty": tmp_path / "empty", "short": tmp_path / "short"}
    files["empty"].write_text("\n")
    files["short"].write_text(f"{secrets_file.read_text().split()[0]}\nwhsec_c2hvcnQ=\n")
    settings = Settings(**{name: text.format_map(files) for name, text in given.items()})  # type: ignore[arg-type]
    with pytest.raises(UsageError) as refused:
        receivers_from(settings)
    assert str(refused.value).startswith(message)
    assert "c2hvcnQ" not in str(refused.value)
