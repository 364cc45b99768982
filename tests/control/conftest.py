"""A real store in a directory of its own, a clock that stands still, and the admin API over both."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

from weighbridge.auth.master_keys import MasterKeys
from weighbridge.auth.passwords import hash_password
from weighbridge.auth.people import Place, Role
from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.admin_api import admin_app
from weighbridge.control.admin_services import AdminServices, ConfigStatus, GatewayStatus, ReloadOutcome, WorkerStatus
from weighbridge.control.archive import Archive
from weighbridge.control.key_registry import KeyRegistry
from weighbridge.control.oidc.calls import Calls
from weighbridge.core.allowances import Allowances
from weighbridge.core.clock import SystemClock
from weighbridge.core.rates import PriceBook
from weighbridge.core.secret import Secret
from weighbridge.core.terms import NO_USAGE, Dialect, Origin, Record
from weighbridge.http.client import HttpClient
from weighbridge.ledger.repricing import Repricer
from weighbridge.pipeline.plan import Limits
from weighbridge.providers.base import Base, Provider
from weighbridge.routing.health_events import TargetStatus
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.people_store import NewUser
from weighbridge.storage.store import Store
from weighbridge.storage.stored_keys import NewKey
from weighbridge.storage.transactions import Act
from weighbridge.telemetry.metrics import Metrics

PASSWORD = "correct horse battery"


@cache
def password_hash() -> str:
    """Of `PASSWORD`: made once, since that is made to take long."""
    return hash_password(PASSWORD)


class SetClock:
    """A clock that stands where a test puts it."""

    wall = 1_800_000_000_000_000_000

    def wall_ns(self) -> int:
        return self.wall

    def now_ns(self) -> int:
        return self.wall


class Settings(BaseModel, arbitrary_types_allowed=True):
    """A configuration, as far as the admin API looks at it."""

    name: str
    api_keys: tuple[Secret, ...]


class Gateway:
    """What a supervisor would answer; a test changes it."""

    def __init__(self) -> None:
        self.reloaded = ReloadOutcome(config_version=2)
        self.settings: BaseModel = Settings(name="x", api_keys=(Secret("sk-hidden"),))
        self.targets: list[TargetStatus] = []
        self.cleared: list[str] = []
        self.allowances = Allowances()
        self.levels: dict[str, tuple[int, int]] = {}
        self.metrics = Metrics()
        self.prices = PriceBook()
        self.master_keys = MasterKeys([Secret("m" * 32)])
        self.providers = {name: provider_of(name) for name in ("openai", "anthropic")}
        self.sign_in = SignInRules()
        self.archive: Archive | None = None
        self.records = [record(f"req_{number}") for number in range(5, 0, -1)]

    def clear(self, name: str) -> bool:
        self.cleared.append(name)
        return any(target.id == name for target in self.targets)

    def status(self) -> GatewayStatus:
        config = ConfigStatus(version=1, source="weighbridge.yaml", loaded_at=datetime(2026, 1, 1, tzinfo=UTC))
        worker = WorkerStatus(pid=7, state="ready", restarts=1, connections=3, in_flight=2, limits_away=True, limits_unanswered=5)
        return GatewayStatus(version="0.1.0", uptime_seconds=1.5, config=config, workers=(worker,))

    async def send_test(self) -> dict[str, str]:
        return {"ops": "", "mail": "there is no mail server"}

    async def reload(self) -> ReloadOutcome:
        return self.reloaded


def provider_of(name: str) -> Provider:
    return Provider(name, {Dialect.OPENAI: Base(Origin("https", f"{name}.test", 443), "/v1")})


def record(request_id: str) -> Record:
    return Record(
        request_id=request_id,
        start_wall_ns=1,
        key_id="key_1",
        dialect="openai",
        operation="chat",
        method="POST",
        path="/v1/chat/completions",
        requested_model="gpt-4o",
        provider="openai",
        model="gpt-4o",
        status=200,
        error=None,
        detail="",
        is_stream=False,
        finish_reason="stop",
        usage=NO_USAGE,
        edits=(),
        request_bytes=1,
        reply_bytes=1,
        attempts=(),
        duration_ns=1,
        first_byte_ns=1,
        overhead_ns=1,
        config_version=1,
    )


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data_dir: Path, clock: SetClock, migrated_sqlite: Path) -> Iterator[Store]:
    data_dir.mkdir(mode=0o700)
    shutil.copyfile(migrated_sqlite, data_dir / migrated_sqlite.name)
    with closing(Store.open(sqlite_url(data_dir), clock)) as opened:
        yield opened


@pytest.fixture
def make_key(store: Store):
    """Store a key; gives the secret in clear."""

    def make(name: str, *, is_admin: bool = False, expires: int | None = None) -> str:
        minted = mint_key()
        new = NewKey(name=name, digest=minted.digest, hint=minted.hint, is_admin=is_admin, expires_wall_ns=expires)
        store.create_key(new)
        return minted.secret.reveal()

    return make


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def oidc_calls() -> AsyncIterator[Calls]:
    """What is asked of an OpenID provider, over real sockets."""
    client = HttpClient(clock=SystemClock(), limits=Limits())
    yield Calls(client, ProxyRules({}))
    await client.close()


@pytest.fixture
def services(store: Store, clock: SetClock, gateway: Gateway, oidc_calls: Calls) -> AdminServices:
    """What the admin API needs."""
    return AdminServices(
        store=store,
        keys=KeyRegistry(store),
        clock=clock,
        status=gateway.status,
        config=lambda: gateway.settings,
        records=lambda limit: gateway.records[:limit],
        reload=gateway.reload,
        targets=lambda: gateway.targets,
        clear_target=gateway.clear,
        allowances=lambda: gateway.allowances,
        level=lambda counter: gateway.levels.get(counter, (0, 0)),
        key_names=lambda: {key.id: key.name for key in store.live_keys()},
        metrics=gateway.metrics,
        log_sinks=list,
        lag_bytes=lambda: 17,
        repricer=lambda models: Repricer(gateway.prices, {}, models),
        send_test_alert=gateway.send_test,
        master_keys=lambda: gateway.master_keys,
        providers=lambda: gateway.providers,
        oidc_calls=oidc_calls,
        sign_in=lambda: gateway.sign_in,
        archive=lambda: gateway.archive,
    )


@pytest.fixture
async def anyone(services: AdminServices) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the admin API without a key."""
    transport = httpx.ASGITransport(admin_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway/admin/v1") as client:
        yield client


@pytest.fixture
async def admin(anyone: httpx.AsyncClient, make_key) -> httpx.AsyncClient:
    """The same client with an admin key."""
    anyone.headers["authorization"] = f"Bearer {make_key('root', is_admin=True)}"
    return anyone


@pytest.fixture
def people(store: Store) -> Store:
    """Two organisations with teams, and a lone team: `acme` (search, ads), `other` (labs), lone."""
    act = Act("test")
    for name in ("acme", "other"):
        store.people.create_organisation(name, act)
    for team, organisation in (("search", "acme"), ("ads", "acme"), ("labs", "other"), ("lone", "")):
        store.people.create_team(team, organisation, act)
    return store


@pytest.fixture
def as_user(anyone: httpx.AsyncClient, people: Store):
    """The client as a user of a role and place: `as_user("admin", team="search")`; the login is the role's and place's name."""

    def become(role: str, *, team: str = "", organisation: str = "") -> httpx.AsyncClient:
        email = f"{role}@{team or organisation or 'everywhere'}"
        if people.people.user_of(email) is None:
            new = NewUser(role, Role(role), email, Place(organisation, team), password_hash())
            people.people.create_user(new, Act("test"))
        minted = mint_key()
        key = NewKey(name=f"of-{minted.hint}{role}", digest=minted.digest, hint=minted.hint, is_admin=True, user=email)
        people.create_key(key)
        client = httpx.AsyncClient(transport=anyone._transport, base_url=anyone.base_url)
        client.headers["authorization"] = f"Bearer {minted.secret.reveal()}"
        return client

    return become
