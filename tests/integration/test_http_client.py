"""The forwarder's HTTP client against real servers: TLS, redirects, proxies, and what is said of a failure."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from schemas.errors import Unavailable
from streams.config.credentials import tls_context
from streams.embedded_kafka.free_ports import HOST, free_port
from surfaces.alert_forwarder.http import ANSWER_BYTES_MAX, Answer, HttpClient
from tests.certificates import Certificates
from tests.recorder import Recorder, recorder


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as server:
        yield server


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[Recorder]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert, certificates.key)
    with recorder(context=context) as server:
        yield server


async def post(url: str, ca_file: str = "", proxy: str = "") -> Answer:
    async with HttpClient(tls_context("SOP_ALERTS", ca_file, "", ""), proxy) as client:
        return await client.post(url, b"{}", {"webhook-id": "msg_1"})


async def test_json_is_posted_and_the_beginning_of_the_answer_comes_back(server: Recorder) -> None:
    server.statuses, server.answer = [503], b" too\n busy " * 1_000
    answer = await post(f"{server.url}/hook?token=t")
    assert answer.status == 503
    assert not answer.is_success
    assert answer.text.startswith("too busy too busy")
    assert len(answer.text) <= ANSWER_BYTES_MAX
    (request,) = server.requests
    assert (request.path, request.body) == ("/hook?token=t", b"{}")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_1"


async def test_the_certificate_is_checked_against_the_given_authority(
    secure: Recorder, certificates: Certificates
) -> None:
    assert (await post(secure.url, str(certificates.ca))).is_success
    with pytest.raises(Unavailable, match=r"no answer \(.*certificate verify failed"):
        await post(secure.url)
    assert len(secure.requests) == 1


async def test_a_redirect_is_an_answer_like_any_other(server: Recorder) -> None:
    with recorder() as elsewhere:
        server.statuses, server.location = [302], elsewhere.url
        assert not (await post(server.url)).is_success
        assert elsewhere.requests == []


async def test_a_proxy_is_used_only_if_it_is_given(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack, monkeypatch.context() as environment:
        proxy = stack.enter_context(recorder([418]))
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("http_proxy", proxy.url)
        assert (await post(server.url)).is_success
        assert proxy.requests == []
        assert (await post(f"{server.url}/hook", proxy=proxy.url)).status == 418
        assert [request.path for request in proxy.requests] == [f"{server.url}/hook"]


async def test_a_failure_is_told_without_the_address() -> None:
    with pytest.raises(Unavailable) as failed:
        await post(f"http://{HOST}:{free_port()}/hook?token=t0ken")
    assert "no answer (" in str(failed.value)
    assert "t0ken" not in str(failed.value)
