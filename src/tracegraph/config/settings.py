"""The tables of `tracegraph.toml`, checked before anything starts; `config/loader.py` reads them."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from tracegraph.adapter.options import SourceSettings
from tracegraph.config.auth import AuthTable
from tracegraph.config.documents import DocumentsTable
from tracegraph.config.environment import plain_name
from tracegraph.config.messages import Misfit
from tracegraph.config.sources import YEAR_S, SourceTable, Table
from tracegraph.config.urls import read_url
from tracegraph.domain.secrets import SecretRef
from tracegraph.upstream.request_scope import STAND_IN

_HOST = re.compile(r"\w[\w-]*(\.[\w-]+)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", re.ASCII)
"""A name, IPv4 or IPv6."""


_OWN_PORT = {"http": 80, "https": 443}


_MOST = 1_000_000
"""Of pages, rows and the like: what is more is a slip of the pen, and no machine would bear it."""


_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class ServerSettings(Table):
    """`[server]`: where the gateway listens, what it serves beside `/graphql`, and for whom.

    `cors_origins` are the sites whose pages may ask. `allowed_hosts` are names, addresses and networks to answer
    to beside those of loopback; "*" is every name. `drain_s`: after SIGTERM the port stays open for so long.
    With `compression`, long answers are compressed for clients that ask for it.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    playground: bool = True
    introspection: bool = True
    compression: bool = True
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    drain_s: float = Field(5.0, ge=0, le=300)

    @field_validator("host")
    @classmethod
    def _address(cls, host: str) -> str:
        if host and not _HOST.fullmatch(host):  # an empty one stands for all addresses
            raise ValueError('it is the address or the name to listen on, such as "127.0.0.1", without a port')
        return host

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        expected = (
            'write each site out as browsers do, such as "https://app.example": in small letters '
            "(xn--... for those of other scripts), without a path, and without the port that the scheme implies"
        )
        for number, origin in enumerate(origins, 1):
            try:
                parts = read_url(origin, expected)
            except ValueError as error:
                raise ValueError(f"entry {number} is no origin: {error}") from None
            is_as_sent = origin == f"{parts.scheme}://{parts.netloc.lower()}" and origin.isascii()
            if "@" in parts.netloc or not is_as_sent or parts.port == _OWN_PORT[parts.scheme]:
                raise ValueError(f"entry {number} is no origin: {expected}")
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if host != "*" and not _HOST.fullmatch(host) and not _is_network(host):
                raise ValueError(
                    f'{host!r} is no host: write a name such as "traces.example" or an address, without a port, '
                    'a network such as "10.0.0.0/8" (no bits after its prefix), or "*" for every name'
                )
        return tuple(host.lower() for host in hosts)


class LimitSettings(Table):
    """`[limits]`: what one request may take.

    `deadline_s` bounds the answer, `scan_pages` the vendor pages that one list reads of one source,
    `active_experiments` the experiments of each source whose sessions are merged when none are named,
    `computed_pages` the vendor pages that computed figures read of one experiment's sessions. A document has at
    most `max_tokens`, `max_depth` and `max_aliases`, and may cost `max_cost` (see `graphql/documents/cost.py`).
    """

    deadline_s: float = Field(10.0, gt=0, le=300)
    default_first: int = Field(20, ge=1)
    max_first: int = Field(1000, ge=1, le=_MOST)
    scan_pages: int = Field(20, ge=1, le=_MOST)
    active_experiments: int = Field(10, ge=1, le=100)
    computed_pages: int = Field(100, ge=1, le=_MOST)
    max_body_bytes: int = Field(250_000, ge=1000)
    body_timeout_s: float = Field(10.0, gt=0, le=300)
    max_tokens: int = Field(2000, ge=100, le=_MOST)
    max_depth: int = Field(20, ge=1, le=100)
    max_aliases: int = Field(100, ge=0, le=_MOST)
    max_cost: int = Field(100_000, ge=1, le=2**53)

    @model_validator(mode="after")
    def _default_within_maximum(self) -> Self:
        if self.default_first > self.max_first:
            raise Misfit("default_first", "it is larger than max_first: lower it, or raise max_first")
        return self


class CacheSettings(Table):
    """`[cache]`: where vendors' answers are kept, how long they are fresh, how long they may stand in.

    `max_entries` and `max_mb` bound what a process keeps in memory. Redis is what several processes share besides:
    `password` is its own, `secret` goes into the keys and seals of entries (see `upstream/cache/keys.py`), and no
    answer waits longer than `redis_timeout_ms` for it. `allow_no_cache`: clients may ask past the cache.
    `share_in_flight`: equal queries share one answer, equal reads under one credential one call.
    """

    url: str = "memory://"
    ttl_s: float = Field(5, ge=0, le=YEAR_S)
    stale_s: float = Field(300, ge=0, le=YEAR_S)
    share_in_flight: bool = True
    max_entries: int = Field(10_000, ge=1)
    max_mb: int = Field(24, ge=1)
    allow_no_cache: bool = True
    redis_timeout_ms: float = Field(100, gt=0, le=10_000)
    password: SecretRef | None = None
    secret: SecretRef | None = None

    @property
    def is_shared(self) -> bool:
        """Whether answers are kept in Redis, too."""
        return self.url.startswith(("redis://", "rediss://"))

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if url in {"off", "memory://"}:
            return url
        parts = read_url(url, 'it is "memory://", "redis://host:port/0" or "off"', frozenset({"redis", "rediss"}))
        if parts.password is not None:
            raise ValueError('its password is given by reference: password = "env:NAME"')
        if not re.fullmatch(r"/?[0-9]{0,4}", parts.path) or parts.query or parts.fragment:
            raise ValueError('it is written as "redis://host:port/0", with the number of a database at the end')
        return url

    @model_validator(mode="after")
    def _password_of_something(self) -> Self:
        if self.password is not None and not self.is_shared:
            raise Misfit(
                "password", 'it is Redis\'s, and cache.url names no Redis: set url = "redis://host:port/0"'
            )
        return self


class LogSettings(Table):
    """`[log]`: how much is said, and whether for people or for programs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class MetricsSettings(Table):
    """`[metrics]`: whether `/metrics` is served, and how many operations each process tells apart by name."""

    enabled: bool = True
    operation_names: int = Field(100, ge=0, le=1000)


class TracingSettings(Table):
    """`[tracing]`: OpenTelemetry spans, sent by OTLP over HTTP.

    `endpoint` is the collector's full URL; without one the environment's OTEL_EXPORTER_OTLP_* decide.
    `sample_ratio` is the share of traces that are kept, of those that begin here: one that comes with the
    request is kept when the client keeps it. `pass_on`: vendors are told of the trace.
    """

    enabled: bool = False
    endpoint: str | None = None
    sample_ratio: float = Field(1.0, ge=0, le=1)
    pass_on: bool = True

    @field_validator("endpoint")
    @classmethod
    def _reachable(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        parts = read_url(endpoint, "it is the collector's URL, such as http://localhost:4318/v1/traces")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it must have no user or password: give headers by OTEL_EXPORTER_OTLP_HEADERS")
        return endpoint


class Settings(Table):
    """The whole configuration."""

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    cache: CacheSettings = CacheSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    auth: AuthTable = AuthTable()
    documents: DocumentsTable = DocumentsTable()
    sources: dict[str, SourceTable] = Field(default_factory=dict)

    @field_validator("sources")
    @classmethod
    def _nameable(cls, sources: dict[str, SourceTable]) -> dict[str, SourceTable]:
        plain: dict[str, str] = {}
        for name in sources:
            if not _SOURCE_NAME.fullmatch(name):
                raise Misfit(
                    name, "a source's name has at most 63 letters, digits, dots, dashes and underscores: rename it"
                )
            other = plain.setdefault(plain_name(name), name)
            if other != name:
                raise Misfit(
                    name,
                    f"sources.{other} differs from it in case or dashes only, and the environment could not tell "
                    "which of them it sets: rename one",
                )
        return sources

    @model_validator(mode="after")
    def _keys_see_sources_that_are(self) -> Self:
        for name, key in self.auth.keys.items():
            for source in key.sources or ():
                if source not in self.sources:
                    raise Misfit(
                        ("auth", "keys", name, "sources"),
                        f"it names {source!r}, which is no configured source: "
                        f"there are {', '.join(self.sources) or 'none'}",
                    )
        return self

    @model_validator(mode="after")
    def _tries_end_before_the_deadline(self) -> Self:
        deadline_s = self.limits.deadline_s
        for name, table in self.sources.items():
            if table.timeout_s is not None and table.timeout_s >= deadline_s:
                raise Misfit(
                    ("sources", name, "timeout_s"),
                    f"it is {table.timeout_s:g} and must be below limits.deadline_s ({deadline_s:g}), "
                    "or a source that hangs takes the whole request's time: lower timeout_s",
                )
        return self


def source_settings(name: str, table: SourceTable, origin: str) -> SourceSettings:
    """A source's table as its adapter sees it."""
    options = dict(table.model_extra or {})
    if table.pass_through is not None:
        options["api_key"] = STAND_IN
    return SourceSettings(name, table.vendor, options, origin, tuple(SourceTable.model_fields))


def _is_network(host: str) -> bool:
    """Whether it is an address, a slash and the length of a prefix that holds all bits of the address."""
    try:
        ipaddress.ip_network(host)
    except ValueError:
        return False
    return re.fullmatch(r"[0-9A-Fa-f.:]+/[0-9]{1,3}", host) is not None
