"""Who may ask: tokens with scopes, rates, and what a service refuses to be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_process import Service

from skb.tokens import SCOPES, Tokens

FACT = {"assert": [{"name": "core", "args": [0, 0, 1]}]}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, "--no-probe", "--require-tokens", "--rate", "1000") as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def attempt(service: Service, token: str | None, method: str, path: str, **more: Any) -> int:
    return service.ask(method, path, headers=bearer(token) if token else {}, **more).status_code


def test_each_scope_reaches_as_far_as_it_should(service: Service, tmp_path: Path) -> None:
    tokens = {scope: Tokens(tmp_path).create(f"for-{scope}", [scope]) for scope in SCOPES}
    asked: dict[str, tuple[str, str, dict[str, Any]]] = {
        "read": ("GET", "/v1/facts/core", {}),
        "query": ("POST", "/v1/query", {"json": {"goal": "true"}}),
        "write": ("POST", "/v1/facts", {"json": FACT}),
        "admin": ("DELETE", "/v1/machines/none", {}),
    }
    for needed, (method, path, more) in asked.items():
        assert attempt(service, None, method, path, **more) == 401
        for scope, token in tokens.items():
            status = attempt(service, token, method, path, **more)
            assert (status != 403) == (scope in (needed, "admin")), (needed, scope, status)


def test_anybody_may_ask_whether_it_is_well(service: Service) -> None:
    assert attempt(service, None, "GET", "/v1/health") == 200
    assert attempt(service, None, "GET", "/v1/version") == 200
    refused = service.ask("GET", "/v1/facts")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["type"] == "/problems/unauthorized"


def test_a_token_that_was_revoked_or_has_expired_is_known_no_more(service: Service, tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    token = tokens.create("a", ["read"])
    short = tokens.create("b", ["read"], expires=time.time() + 1)
    assert attempt(service, token, "GET", "/v1/facts") == 200
    assert attempt(service, short, "GET", "/v1/facts") == 200
    tokens.revoke("a")
    assert attempt(service, token, "GET", "/v1/facts") == 401
    time.sleep(1.1)
    assert attempt(service, short, "GET", "/v1/facts") == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Bearer skb_a_", "Basic abc", "Bearer skb_for_wrong_secret", "Bearer \xff"]
)
def test_what_is_no_token_is_refused(service: Service, tmp_path: Path, header: str) -> None:
    Tokens(tmp_path).create("a", ["read"])
    response = httpx.get(f"{service.url}/v1/facts", headers={b"authorization": header.encode("latin-1")})
    assert response.status_code == 401


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    token = Tokens(tmp_path).create("a", ["read"])
    kept = (tmp_path / "tokens.json").read_text()
    assert token[-40:] not in kept  # a secret has 43 letters, and `_` may be one of them
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_a_token_that_asks_too_often_is_told_when_to_come_back(service: Service, tmp_path: Path) -> None:
    token = Tokens(tmp_path).create("slow", ["read"], rate=2)
    statuses = [attempt(service, token, "GET", "/v1/machines") for _ in range(6)]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    assert service.ask("GET", "/v1/machines", headers=bearer(token)).headers.get("retry-after") in ("1", None)


def test_pages_of_other_sites_may_not_ask_unless_they_are_named(tmp_path: Path) -> None:
    origin = {"Origin": "https://example.org"}
    with Service(tmp_path / "a") as service:
        assert "access-control-allow-origin" not in service.ask("GET", "/v1/health", headers=origin).headers
    with Service(tmp_path / "b", "--no-probe", "--cors-origin", "https://example.org") as service:
        assert (
            service.ask("GET", "/v1/health", headers=origin).headers["access-control-allow-origin"]
            == "https://example.org"
        )


def refusal(data: Path, *options: str) -> str:
    command = [sys.executable, "-m", "skb", "serve", "--no-probe", "--port", "0", "--data", str(data), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def test_a_service_for_others_needs_tokens_and_tls_or_a_proxy(tmp_path: Path) -> None:
    assert "no tokens are known" in refusal(tmp_path, "--host", "0.0.0.0")
    assert "no tokens are known" in refusal(tmp_path, "--behind-proxy")
    token = Tokens(tmp_path).create("a", ["read"])
    assert "in the clear" in refusal(tmp_path, "--host", "0.0.0.0")
    with Service(tmp_path, "--no-probe", "--behind-proxy") as service:
        assert attempt(service, None, "GET", "/v1/facts") == 401
        foreign = {**bearer(token), "Host": "skb.example.org"}
        assert service.ask("GET", "/v1/facts", headers=foreign).status_code == 200


def test_the_command_makes_lists_and_revokes_tokens(tmp_path: Path) -> None:
    def token(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "skb", "token", *arguments, "--data", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = token("create", "laptop", "--scope", "read", "--scope", "query", "--days", "2")
    assert made.stdout.startswith("skb_laptop_")
    found = Tokens(tmp_path).find(made.stdout.strip())
    assert found is not None
    assert found.scopes == ("read", "query")
    (listed,) = json.loads(token("list", "--json").stdout)
    assert listed["name"] == "laptop"
    assert "laptop" in token("list").stdout
    assert "there is a token" in token("create", "laptop", "--scope", "read").stderr
    assert "no scope" in token("create", "other", "--scope", "everything").stderr
    assert token("revoke", "laptop").returncode == 0
    assert Tokens(tmp_path).find(made.stdout.strip()) is None
    assert "there is no token" in token("revoke", "laptop").stderr
