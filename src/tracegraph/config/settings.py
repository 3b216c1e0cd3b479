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
from tracegraph.config.messages import SettingError
from tracegraph.config.sources import YEAR_S, SourceTable, Table
from tracegraph.config.urls import read_url
from tracegraph.domain.secrets import SecretRef
from tracegraph.upstream.client import API_KEY_PLACEHOLDER

_HOST = re.compile(r"\w[\w-]*(\.[\w-]+)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", re.ASCII)
"""A name, IPv4 or IPv6."""


_DEFAULT_PORTS = {"http": 80, "https": 443}


_MAX_COUNT = 1_000_000
"""The limit of pages, rows and the like: a larger number is a typing error that no machine could serve."""


_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class ServerSettings(Table):
    """`[server]`: the address of the gateway, and the routes beside `/graphql`.

    `uds` is the path of a Unix socket, and `fd` the number of a socket that the parent process opened; each takes
    the place of `host` and `port`. `workers` is the number of processes.

    `cors_origins` are the sites whose pages may send requests. `allowed_hosts` are the accepted names, addresses
    and networks beside those of loopback; "*" is every name. After SIGTERM the port stays open for `drain_s`. With
    `compression`, long responses are compressed for clients that accept it. Without `compiled_plans`, graphql-core
    executes every query.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    uds: str | None = Field(None, min_length=1, max_length=107)
    fd: int | None = Field(None, ge=3, le=1_000_000)
    workers: int = Field(1, ge=1, le=64)
    playground: bool = True
    pages: bool = True
    introspection: bool = True
    compression: bool = True
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    drain_s: float = Field(5.0, ge=0, le=300)
    compiled_plans: bool = True

    @field_validator("host")
    @classmethod
    def _is_address(cls, host: str) -> str:
        if host and not _HOST.fullmatch(host):  # an empty host means all addresses
            raise ValueError('it must be the address or name to listen on, such as "127.0.0.1", without a port')
        return host

    @field_validator("uds")
    @classmethod
    def _is_absolute(cls, uds: str | None) -> str | None:
        if uds is not None and not uds.startswith("/"):
            raise ValueError('it must be an absolute path, such as "/run/tracegraph/http.sock"')
        return uds

    @model_validator(mode="after")
    def _one_socket(self) -> Self:
        if self.uds is not None and self.fd is not None:
            raise SettingError("fd", "server.uds is set too, and the gateway has one socket: remove one of them")
        return self

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        expected = (
            'write each origin as browsers do, such as "https://app.example": in small letters '
            "(xn--... for other scripts), without a path, and without the default port of the scheme"
        )
        for number, origin in enumerate(origins, 1):
            try:
                parts = read_url(origin, expected)
            except ValueError as error:
                raise ValueError(f"entry {number} is not an origin: {error}") from None
            is_as_sent = origin == f"{parts.scheme}://{parts.netloc.lower()}" and origin.isascii()
            if "@" in parts.netloc or not is_as_sent or parts.port == _DEFAULT_PORTS[parts.scheme]:
                raise ValueError(f"entry {number} is not an origin: {expected}")
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if host != "*" and not _HOST.fullmatch(host) and not _is_network(host):
                raise ValueError(
                    f'{host!r} is not a host: write a name such as "traces.example" or an address without a port, '
                    'a network such as "10.0.0.0/8" (without host bits), or "*" for every name'
                )
        return tuple(host.lower() for host in hosts)


class LimitSettings(Table):
    """`[limits]`: the limits of one request.

    `deadline_s` limits the duration of the request. `scan_pages` limits the vendor pages that one list reads of
    one source. `active_experiments` limits the experiments of each source whose sessions are merged when no
    experiment is named. `computed_pages` limits the vendor pages that computed figures read of one experiment's
    sessions. A document has at most `max_tokens`, `max_depth` and `max_aliases`, and costs at most `max_cost` (see
    `graphql/documents/cost.py`).
    """

    deadline_s: float = Field(10.0, gt=0, le=300)
    default_first: int = Field(20, ge=1)
    max_first: int = Field(1000, ge=1, le=_MAX_COUNT)
    scan_pages: int = Field(20, ge=1, le=_MAX_COUNT)
    active_experiments: int = Field(10, ge=1, le=100)
    computed_pages: int = Field(120, ge=1, le=_MAX_COUNT)
    max_body_bytes: int = Field(250_000, ge=1000)
    body_timeout_s: float = Field(10.0, gt=0, le=300)
    max_tokens: int = Field(2000, ge=100, le=_MAX_COUNT)
    max_depth: int = Field(20, ge=1, le=100)
    max_aliases: int = Field(100, ge=0, le=_MAX_COUNT)
    max_cost: int = Field(100_000, ge=1, le=2**53)

    @model_validator(mode="after")
    def _default_within_maximum(self) -> Self:
        if self.default_first > self.max_first:
            raise SettingError("default_first", "it is larger than max_first: lower it, or raise max_first")
        return self


class CacheSettings(Table):
    """`[cache]`: where vendors' replies are cached, for how long they are fresh, and how long they may be stale.

    `max_entries` and `max_mb` limit the memory of a process. Redis is shared by several processes: `password` is
    its password, and `secret` goes into the keys and signatures of entries (see `upstream/cache/keys.py`). No
    response waits longer than `redis_timeout_ms` for Redis. With `allow_no_cache`, clients may bypass the cache.
    With `share_in_flight`, equal queries share one response, and equal reads under one credential share one call.
    `copies` is the number of processes among which a vendor's rate limit is divided while there is no Redis.
    """

    url: str = "memory://"
    ttl_s: float = Field(5, ge=0, le=YEAR_S)
    stale_s: float = Field(300, ge=0, le=YEAR_S)
    share_in_flight: bool = True
    max_entries: int = Field(10_000, ge=1)
    max_mb: int = Field(24, ge=1)
    allow_no_cache: bool = True
    redis_timeout_ms: float = Field(100, gt=0, le=10_000)
    copies: int = Field(1, ge=1, le=10_000)
    password: SecretRef | None = None
    secret: SecretRef | None = None

    @property
    def is_shared(self) -> bool:
        """Whether replies are also cached in Redis."""
        return self.url.startswith(("redis://", "rediss://"))

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if url in {"off", "memory://"}:
            return url
        parts = read_url(
            url, 'it must be "memory://", "redis://host:port/0" or "off"', frozenset({"redis", "rediss"})
        )
        if parts.password is not None:
            raise ValueError('it must not hold the password: set password = "env:NAME"')
        if not re.fullmatch(r"/?[0-9]{0,4}", parts.path) or parts.query or parts.fragment:
            raise ValueError('it must be "redis://host:port/0", with the number of a database at the end')
        return url

    @model_validator(mode="after")
    def _password_needs_redis(self) -> Self:
        if self.password is not None and not self.is_shared:
            raise SettingError(
                "password",
                'it is the password of Redis, but cache.url names no Redis: set url = "redis://host:port/0"',
            )
        return self


class LogSettings(Table):
    """`[log]`: the level, and the format: console for people, JSON for programs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class MetricsSettings(Table):
    """`[metrics]`: whether `/metrics` is served, and how many operation names each process distinguishes.

    Several workers share their metrics in a temporary folder within `directory`, by default in shared memory where
    the system has it.
    """

    enabled: bool = True
    operation_names: int = Field(100, ge=0, le=1000)
    directory: str | None = None

    @field_validator("directory")
    @classmethod
    def _is_absolute(cls, directory: str | None) -> str | None:
        if directory is not None and not directory.startswith("/"):
            raise ValueError("it must be an absolute path, such as /dev/shm")
        return directory


class TracingSettings(Table):
    """`[tracing]`: OpenTelemetry spans, sent by OTLP over HTTP.

    `endpoint` is the collector's full URL; without one, the environment's OTEL_EXPORTER_OTLP_* decide.
    `sample_ratio` is the share of new traces that are sampled; a trace that comes with the request is sampled when
    the client samples it. With `pass_on`, vendors get the trace context.
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
        parts = read_url(endpoint, "it must be the collector's URL, such as http://localhost:4318/v1/traces")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it must have no user or password: set headers in OTEL_EXPORTER_OTLP_HEADERS")
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
                raise SettingError(
                    name, "a source's name has at most 63 letters, digits, dots, dashes and underscores: rename it"
                )
            earlier = plain.setdefault(plain_name(name), name)
            if earlier != name:
                raise SettingError(
                    name,
                    f"sources.{earlier} differs only in case or dashes, so that environment variables would be "
                    "ambiguous: rename one",
                )
        return sources

    @model_validator(mode="after")
    def _keys_name_configured_sources(self) -> Self:
        for name, key in self.auth.keys.items():
            for source in key.sources or ():
                if source not in self.sources:
                    raise SettingError(
                        ("auth", "keys", name, "sources"),
                        f"it names {source!r}, which is not a configured source: "
                        f"the sources are {', '.join(self.sources) or 'none'}",
                    )
        return self

    @model_validator(mode="after")
    def _timeouts_are_below_deadline(self) -> Self:
        deadline_s = self.limits.deadline_s
        for name, table in self.sources.items():
            if table.timeout_s is not None and table.timeout_s >= deadline_s:
                raise SettingError(
                    ("sources", name, "timeout_s"),
                    f"it is {table.timeout_s:g} and must be below limits.deadline_s ({deadline_s:g}), "
                    "or a source that hangs takes the whole time of the request: lower timeout_s",
                )
        return self


def source_settings(name: str, table: SourceTable, origin: str) -> SourceSettings:
    """Return a source's table as its adapter sees it.

    Args:
        name: The configured name of the source.
        table: Its table.
        origin: The name of the file, for messages.
    """
    options = dict(table.model_extra or {})
    if table.pass_through is not None:
        options["api_key"] = API_KEY_PLACEHOLDER
    return SourceSettings(name, table.vendor, options, origin, tuple(SourceTable.model_fields))


def _is_network(host: str) -> bool:
    """Return whether the host is a network in CIDR notation without host bits."""
    try:
        ipaddress.ip_network(host)
    except ValueError:
        return False
    return re.fullmatch(r"[0-9A-Fa-f.:]+/[0-9]{1,3}", host) is not None
