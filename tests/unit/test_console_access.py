"""Who gets into the console, and what forged requests get."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from schemas.errors import UsageError
from streams.config.settings import Settings
from surfaces.console.access import Right, access_from
from surfaces.console.guard import BODY_BYTES_MAX
from surfaces.console.visitors import Visitors
from tests.consoles import ACTOR, LOOKER, READER, TOKENS, TestConsole, console
from tests.read_models import NOW_US

LOCAL = Settings()
PROXIED = Settings(
    console_listen="0.0.0.0:8765",
    console_url="https://console.example.com",
    console_proxies=("10.0.0.0/8",),
    console_actors=("anna",),
    console_personal=("lena",),
)


@asynccontextmanager
async def browser(
    found: TestConsole, peer: str = "127.0.0.1", host: str = "127.0.0.1:8765"
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that keeps cookies, as from an address."""
    scheme = "https" if found.parts.is_secure else "http"
    transport = httpx.ASGITransport(found.app, client=(peer, 50_000))
    async with httpx.AsyncClient(
        transport=transport, base_url=f"{scheme}://{host}", headers={"Accept": "text/html"}
    ) as client:
        yield client


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found.group(1)


async def log_in(client: httpx.AsyncClient, token: str, **more: str) -> httpx.Response:
    page = await client.get("/login")
    return await client.post("/login", data={"form_token": form_token(page), "token": token, **more})


async def test_on_loopback_anybody_may_read_and_nobody_may_act_without_a_token(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            assert (await client.get("/")).status_code == 200
            assert (await client.get("/redrive?cause=x")).status_code == 403
            assert (await client.post("/redrive", data={"cause": "x", "why": "y"})).status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/cases", "/cases.json", "/statements/job-1", "/live", "/acts", "/dead-letters/x", "/find?q=x"]
)
async def test_behind_a_proxy_nobody_reads_without_a_login(tmp_path: Path, path: str) -> None:
    with console(tmp_path, settings=PROXIED, now_us=NOW_US) as found:
        async with browser(found, "203.0.113.5", "console.example.com") as client:
            page = await client.get(path)
            assert (page.status_code, page.headers["location"].startswith("/login?next=")) == (303, True)
            assert (await client.get(path, headers={"Accept": "*/*"})).status_code == 401


@pytest.mark.parametrize(
    ("user", "rights"),
    [("rita", {Right.READ}), ("anna", {Right.READ, Right.ACT}), ("lena", {Right.READ, Right.SEE_PERSONAL})],
)
async def test_a_trusted_proxy_names_the_user(tmp_path: Path, user: str, rights: set[Right]) -> None:
    with console(tmp_path, settings=PROXIED, now_us=NOW_US) as found:
        async with browser(found, "10.1.2.3", "console.example.com") as client:
            page = await client.get("/", headers={"X-Forwarded-User": user})
            assert (page.status_code, f"<span>{user}</span>" in page.text) == (200, True)
            dry_run = await client.get("/redrive?cause=x", headers={"X-Forwarded-User": user})
            assert dry_run.status_code == (200 if Right.ACT in rights else 403)


@pytest.mark.parametrize("peer", ["203.0.113.5", "127.0.0.1", "11.0.0.1", ""])
async def test_a_forged_proxy_header_is_ignored(tmp_path: Path, peer: str) -> None:
    with console(tmp_path, settings=PROXIED, now_us=NOW_US) as found:
        async with browser(found, peer, "console.example.com") as client:
            page = await client.get("/", headers={"X-Forwarded-User": "anna", "X-Forwarded-For": "10.1.2.3"})
            assert page.status_code == 303


async def test_the_address_of_an_act_is_the_last_one_that_no_proxy_of_ours_has(tmp_path: Path) -> None:
    with console(tmp_path, settings=PROXIED, now_us=NOW_US) as found:
        access, headers = found.parts.access, {"x-forwarded-for": "1.1.1.1, 203.0.113.9, 10.9.9.9"}
        assert access.is_proxy("10.1.2.3")
        assert not access.is_proxy("nonsense")
        visitors = Visitors(found.app, access, found.parts.sessions, is_secure=True)
        assert visitors.visitor({**headers, "x-forwarded-user": "anna"}, "10.1.2.3").address == "203.0.113.9"
        assert visitors.visitor(headers, "203.0.113.5").address == "203.0.113.5"


async def test_a_token_logs_in_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            assert (await log_in(client, "z" * 40)).status_code == 403
            done = await log_in(client, ACTOR, next="/cases?kind=paf")
            assert (done.status_code, done.headers["location"]) == (303, "/cases?kind=paf")
            assert "<span>anna</span>" in (await client.get("/")).text
            cookie = done.headers["set-cookie"].lower()
            assert all(each in cookie for each in ("httponly", "samesite=strict", "path=/", "max-age=28800"))


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", ""])
async def test_a_login_leads_nowhere_else(tmp_path: Path, elsewhere: str) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            assert (await log_in(client, READER, next=elsewhere)).headers["location"] == "/"


async def test_with_tls_the_cookie_belongs_to_this_host_alone(tmp_path: Path) -> None:
    settings = replace(PROXIED, console_proxies=())
    with console(tmp_path, settings=settings, now_us=NOW_US) as found:
        async with browser(found, "203.0.113.5", "console.example.com") as client:
            page = await client.get("/login")
            assert page.headers["set-cookie"].startswith("__Host-sop-console=")
            assert "secure" in page.headers["set-cookie"].lower()
            assert "max-age" in page.headers["strict-transport-security"]


async def test_a_session_that_was_planted_before_the_login_is_worth_nothing_after_it(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as attacker, browser(found) as victim:
            await attacker.get("/login")
            planted = attacker.cookies["sop-console"]
            victim.cookies.set("sop-console", planted, domain="127.0.0.1")
            page = await victim.get("/login")
            done = await victim.post("/login", data={"form_token": form_token(page), "token": ACTOR})
            assert done.status_code == 303
            assert "<span>anna</span>" not in (await attacker.get("/")).text
            fresh = re.search("sop-console=([^;]+)", done.headers["set-cookie"])
            assert fresh
            assert fresh.group(1) != planted


async def test_a_copy_of_the_cookie_is_logged_out_too(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client, browser(found) as copy:
            await log_in(client, ACTOR)
            page = await client.get("/")
            copy.cookies.update(client.cookies)
            assert "<span>anna</span>" in (await copy.get("/")).text
            assert (await client.post("/logout", data={"form_token": form_token(page)})).status_code == 303
            assert "<span>anna</span>" not in (await copy.get("/")).text


@pytest.mark.parametrize("cookie", ["", "x", "WyJhIiwiYW5uYSJd.aaaa.bbbb", "\x01", "a" * 5000])
async def test_a_forged_cookie_is_no_login(tmp_path: Path, cookie: str) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            page = await client.get("/", headers={"Cookie": f"sop-console={cookie}"})
            assert (page.status_code, "Log out" in page.text) == (200, False)


async def test_tokens_that_change_end_the_sessions(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            await log_in(client, ACTOR)
            cookie = client.cookies["sop-console"]
    with console(tmp_path, now_us=NOW_US) as found:
        assert found.parts.sessions.read(cookie)  # a restart does not
    with console(tmp_path, now_us=NOW_US, tokens=TOKENS.replace("a" * 40, "b" * 40)) as found:
        assert found.parts.sessions.read(cookie) is None


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("forged", {}),
        ("theirs", {}),
        ("ours", {"Origin": "https://evil.example"}),
        ("ours", {"Origin": "null"}),
        ("ours", {"Sec-Fetch-Site": "cross-site"}),
        ("ours", {"Sec-Fetch-Site": "same-site"}),
    ],
)
async def test_a_form_of_another_site_does_nothing(tmp_path: Path, token: str, headers: dict[str, str]) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client, browser(found) as other:
            await log_in(client, LOOKER)
            tokens = {"ours": form_token(await client.get("/")), "theirs": form_token(await other.get("/login"))}
            data = {"form_token": tokens.get(token, token), "why": "curious"}
            page = await client.post("/cases/job-1", data=data, headers=headers)
            assert (page.status_code, "not from this console" in page.text) == (403, True)
            assert found.acts.written == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::2]"])
async def test_another_name_is_not_answered_to(tmp_path: Path, host: str) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            assert (await client.get("/", headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:1", "[::1]:8765", "LOCALHOST"])
async def test_on_loopback_its_names_are_answered_to(tmp_path: Path, host: str) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/cases", "/login", "/nothing", "/static/console.css", "/static/nothing", "/find"]
)
async def test_every_answer_has_the_headers_that_keep_browsers_from_running_anything_else(
    tmp_path: Path, path: str
) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert not {"unsafe", "http:", "https:", "data:", "*"} & set(re.findall(r"unsafe|https?:|data:|\*", policy))
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            if not path.startswith("/static/console"):
                assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../access.py",
        "/static/..%2faccess.py",
        "/static/%2e%2e/access.py",
        "/static/..\\access.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/",
    ],
)
async def test_static_files_are_those_of_one_folder(tmp_path: Path, path: str) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            page = await client.get(httpx.URL("http://127.0.0.1:8765").copy_with(raw_path=path.encode()))
            assert page.status_code in {404, 405}


async def test_a_form_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        async with browser(found) as client:
            page = await client.post("/login", data={"token": "x" * BODY_BYTES_MAX})
            assert page.status_code == 413


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"console_listen": "0.0.0.0:8765"}, "needs a login"),
        ({"console_listen": "0.0.0.0:8765", "console_proxies": ("10.0.0.0/8",)}, "name the address they use"),
        (
            {
                "console_listen": "10.1.1.1:80",
                "console_proxies": ("10.0.0.0/8",),
                "console_url": "http://console.example.com",
            },
            "in clear",
        ),
        ({"console_url": "https://console.example.com"}, "needs a login"),
    ],
)
def test_a_console_that_is_open_to_others_needs_a_login_a_name_and_tls(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        access_from(replace(LOCAL, **changed))  # type: ignore[arg-type] # settings by name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[tokens.a]\ntoken = "short"\nrights = []', "shorter than 32"),
        (f'[tokens.a]\ntoken = "{"s" * 40}"\nrights = ["all"]', "cannot be used"),
        (f'[tokens.a]\ntoken = "{"s" * 40}"\nrights = []\n[tokens.b]\ntoken = "{"s" * 40}"\nrights = []', "same token"),
        (f'token = "{"s" * 40}', "cannot be used"),
        ("[people]", "cannot be used"),
    ],
)
def test_a_file_of_tokens_that_cannot_be_used_is_named_without_what_it_holds(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "tokens.toml").write_text(content)
    with pytest.raises(UsageError, match=said) as raised:
        access_from(replace(LOCAL, console_tokens_file=str(tmp_path / "tokens.toml")))
    assert "s" * 40 not in str(raised.value)
