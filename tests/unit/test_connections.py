"""Connections from settings: no unencrypted traffic to other machines by accident, and no secrets in messages."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from schemas.errors import UsageError
from streams.config.settings import Settings, settings_from
from streams.faust_transport.app import faust_credentials
from streams.kafka.connection import KafkaSecurity, connect_kafka
from streams.redis.connection import connect_redis
from tests.certificates import Certificates

PLANTED = "planted-hunter2"


@pytest.mark.parametrize("brokers", ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "127.0.0.1:1,127.9.9.9:2"])
def test_plaintext_to_this_machine_is_allowed(brokers: str) -> None:
    assert connect_kafka(Settings(brokers=brokers)).client_options()["security_protocol"] == "PLAINTEXT"


@pytest.mark.parametrize("brokers", ["kafka:9092", "10.0.0.1:9092", "127.0.0.1:1,[2001:db8::1]:2", "localhost.x:1"])
def test_plaintext_to_other_machines_is_refused(brokers: str) -> None:
    with pytest.raises(UsageError, match="SOP_KAFKA_SECURITY: plaintext to another machine"):
        connect_kafka(Settings(brokers=brokers))
    assert connect_kafka(Settings(brokers=brokers, profile="local")).brokers == brokers


@pytest.mark.parametrize("url", ["redis://cache:6379/0", f"redis://:{PLANTED}@10.0.0.1/0"])
async def test_plaintext_to_redis_on_another_machine_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="SOP_REDIS_URL: redis:// to another machine") as refused:
        connect_redis(Settings(redis_url=url))
    assert PLANTED not in str(refused.value)
    client = connect_redis(Settings(redis_url=url, profile="local"))
    assert client is not None
    await client.aclose()


async def test_the_redis_address_can_be_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"redis://:{PLANTED}@127.0.0.1:7/3\n")
    client = connect_redis(Settings(redis_url_file=str(file)))
    assert client is not None
    options = client.connection_pool.connection_kwargs
    assert (options["port"], options["db"], options["password"]) == (7, 3, PLANTED)
    await client.aclose()


def test_without_an_address_there_is_no_redis(tmp_path: Path) -> None:
    assert connect_redis(Settings()) is None
    with pytest.raises(UsageError, match="SOP_REDIS_URL_FILE: the file that it names cannot be read"):
        connect_redis(Settings(redis_url_file=str(tmp_path / "absent")))
    with pytest.raises(UsageError, match="SOP_REDIS_URL and SOP_REDIS_URL_FILE are both given"):
        connect_redis(Settings(redis_url="redis://127.0.0.1", redis_url_file="x"))


def test_sasl_uses_tls_and_the_password_file(certificates: Certificates, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PLANTED}\n")
    settings = Settings(
        brokers="kafka.example:9093",
        kafka_security="sasl_ssl",
        kafka_ca_file=str(certificates.ca),
        kafka_user="sop",
        kafka_password_file=str(file),
    )
    connection = connect_kafka(settings)
    options = connection.client_options()
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("sop", PLANTED)
    assert options["ssl_context"].check_hostname
    assert PLANTED not in repr(connection)
    others = connection.librdkafka_options()
    assert (others["security.protocol"], others["sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (others["sasl.username"], others["sasl.password"]) == ("sop", PLANTED)
    assert others["ssl.ca.location"] == str(certificates.ca)
    credentials = faust_credentials(connection.security)
    assert credentials is not None
    assert credentials.protocol.value == "SASL_SSL"


def test_a_client_certificate_is_passed_to_both_clients(certificates: Certificates) -> None:
    settings = Settings(
        kafka_security="ssl",
        kafka_ca_file=str(certificates.ca),
        kafka_cert_file=str(certificates.cert),
        kafka_key_file=str(certificates.key),
    )
    connection = connect_kafka(settings)
    options = connection.client_options()
    assert options["security_protocol"] == "SSL"
    assert "sasl_plain_username" not in options
    others = connection.librdkafka_options()
    assert others["ssl.certificate.location"] == str(certificates.cert)
    assert others["ssl.key.location"] == str(certificates.key)
    assert "sasl.username" not in others


def test_without_a_ca_file_librdkafka_trusts_the_same_cas_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    assert KafkaSecurity(protocol="ssl", context=ssl.create_default_context()).librdkafka_options() == {
        "security.protocol": "SSL",
        "ssl.ca.location": __file__,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"kafka_security": "ssl", "kafka_ca_file": f"-----BEGIN PRIVATE KEY-----\n{PLANTED}"},
            "SOP_KAFKA_CA_FILE: the file that it names cannot be read: ",
        ),
        ({"kafka_security": "ssl", "kafka_cert_file": "absent"}, "SOP_KAFKA_CERT_FILE and SOP_KAFKA_KEY_FILE belong"),
        (
            {"kafka_security": "ssl", "kafka_cert_file": "absent", "kafka_key_file": "absent"},
            "SOP_KAFKA_CERT_FILE: the file that it names cannot be read: No such file",
        ),
        ({"kafka_security": "sasl_ssl"}, "SOP_KAFKA_SECURITY: sasl_ssl needs SOP_KAFKA_USER"),
        (
            {"kafka_security": "sasl_ssl", "kafka_password": PLANTED},
            "SOP_KAFKA_SECURITY: sasl_ssl needs SOP_KAFKA_USER",
        ),
        (
            {"kafka_security": "sasl_ssl", "kafka_password": PLANTED, "kafka_password_file": "absent"},
            "SOP_KAFKA_PASSWORD and SOP_KAFKA_PASSWORD_FILE are both given",
        ),
        (
            {"kafka_security": "sasl_ssl", "kafka_password_file": "absent"},
            "SOP_KAFKA_PASSWORD_FILE: the file that it names cannot be read: No such file",
        ),
    ],
)
def test_the_error_names_the_invalid_setting(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        connect_kafka(settings_from({f"SOP_{name.upper()}": value for name, value in given.items()}))
    assert str(refused.value).startswith(message)
    assert PLANTED not in str(refused.value)


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/full", "folder", "pipe", "huge"])
@pytest.mark.parametrize(
    "variable",
    ["SOP_KAFKA_CA_FILE", "SOP_KAFKA_CERT_FILE", "SOP_KAFKA_KEY_FILE", "SOP_KAFKA_PASSWORD_FILE", "SOP_REDIS_URL_FILE"],
)
def test_a_file_that_is_not_small_and_regular_is_not_read(
    variable: str, file: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with Path("huge").open("wb") as huge:
        huge.truncate(1 << 40)
    given = {
        "SOP_KAFKA_SECURITY": "sasl_ssl",
        "SOP_KAFKA_USER": "worker",
        "SOP_KAFKA_CERT_FILE": str(certificates.cert),
        "SOP_KAFKA_KEY_FILE": str(certificates.key),
    }
    if "PASSWORD" not in variable:
        given["SOP_KAFKA_PASSWORD"] = PLANTED
    settings = settings_from(given | {variable: file})
    with pytest.raises(UsageError, match=f"^{variable}: ") as refused:
        connect_redis(settings) if "REDIS" in variable else connect_kafka(settings)
    assert re.search(r"is (a directory|not a regular file|longer than 1048576 bytes)$", str(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PLANTED}@host:{PLANTED}/0",
        f"http://:{PLANTED}@host",
        f"redis://[{PLANTED}",
        f"redis://h/{PLANTED}",
        f"redis://:pass#{PLANTED}@host/0",
        f"redis://127.0.0.1/0#{PLANTED}",
    ],
)
def test_an_invalid_redis_address_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match=r"^SOP_REDIS_URL: ") as refused:
        connect_redis(Settings(redis_url=url, profile="local"))
    assert PLANTED not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"socket_timeout": 5.0, "socket_connect_timeout": 5.0}),
        ("socket_timeout=0.5", {"socket_timeout": 0.5, "socket_connect_timeout": 5.0}),
        ("socket_connect_timeout=7", {"socket_timeout": 5.0, "socket_connect_timeout": 7.0}),
        ("db=3", {"db": 3}),
        ("protocol=2", {"protocol": 2}),
        ("protocol=3&health_check_interval=30", {"protocol": 3, "health_check_interval": 30}),
        ("client_name=worker%201&socket_keepalive=yes", {"client_name": "worker 1", "socket_keepalive": True}),
        ("decode_responses=False", {"decode_responses": False}),
        ("ssl_cert_reqs=required", {}),
    ],
)
async def test_options_in_the_redis_address_are_used(query: str, expected: dict[str, object]) -> None:
    client = connect_redis(Settings(redis_url=f"redis://127.0.0.1:7/0?{query}"))
    assert client is not None
    options = client.connection_pool.connection_kwargs
    assert {name: options[name] for name in expected} == expected
    assert options["port"] == 7
    await client.aclose()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("decode_responses=true", "the option decode_responses must be false"),
        ("ssl_cert_reqs=none", "the option ssl_cert_reqs must be required"),
        ("ssl_check_hostname=false", "the option ssl_check_hostname must be true"),
        ("protocol=4", "the option protocol must be 2 or 3"),
        ("socket_timeout=0", "the option socket_timeout must be a number of seconds above 0"),
        (f"socket_timeout={PLANTED}", "the option socket_timeout must be a number of seconds above 0"),
        ("socket_timeout=inf", "the option socket_timeout must be a number of seconds above 0"),
        ("health_check_interval=-1", "the option health_check_interval must be a whole number of seconds"),
        ("db=", "the option db must be a whole number"),
        (f"password={PLANTED}", "unknown option password; known options: client_name, db, "),
        (f"encoding={PLANTED}", "unknown option encoding; known options: "),
        (f"{PLANTED}=1", "unknown option; known options: "),
        (PLANTED, "unknown option; known options: "),
    ],
)
def test_invalid_options_in_the_redis_address_are_refused(query: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        connect_redis(Settings(redis_url=f"redis://127.0.0.1:7/0?{query}"))
    assert str(refused.value).startswith(f"SOP_REDIS_URL: {message}")
    assert PLANTED not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SOP_KAFKA_SECURITY", "sasl_plaintext"), ("SOP_KAFKA_MECHANISM", "GSSAPI"), ("SOP_PROFILE", "production")],
)
def test_unknown_values_of_a_setting_are_refused(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"^{variable}: "):
        settings_from({variable: value})


def test_the_repr_of_settings_hides_secrets() -> None:
    settings = Settings(redis_url=f"redis://:{PLANTED}@host/0", kafka_password=PLANTED, redis_password=PLANTED)
    assert PLANTED not in repr(settings)


def test_a_tls_connection_closes_without_waiting_for_the_peer(certificates: Certificates) -> None:
    settings = Settings(brokers="127.0.0.1:1", kafka_security="ssl", kafka_ca_file=str(certificates.ca))
    context = connect_kafka(settings).security.context
    assert context is not None
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificates.cert, certificates.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    client.unwrap()
    assert server.read() == b""  # the close message arrived


def connected(settings: Settings) -> object:
    return connect_kafka(settings), connect_redis(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SOP_BROKERS", "user:secret@host"),
        ("SOP_BROKERS", "user:secret@host:9092"),
        ("SOP_BROKERS", "sasl_ssl://user:secret@host:9092"),
        ("SOP_REDIS_URL", "http://user:secret@host"),
        ("SOP_REDIS_URL", "redis://user:secret@host:port"),
        ("SOP_REDIS_URL_FILE", "redis://user:secret@host"),
        ("SOP_KAFKA_SECURITY", "user:secret@host"),
        ("SOP_METRICS_LISTEN", "user:secret@127.0.0.1:9100"),
        ("SOP_PARTITIONS", "redis://:secret@host"),
        ("SOP_REDIS_TIMEOUT_S", "user:secret@host"),
        ("SOP_LOG_LEVEL", "//user:secret@host"),
    ],
)
def test_a_value_that_may_contain_a_secret_is_not_repeated(variable: str, value: str) -> None:
    with pytest.raises(UsageError) as refused:
        connected(settings_from({variable: value}))
    assert "secret@" not in str(refused.value)
    assert variable in str(refused.value)
