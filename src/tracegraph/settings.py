"""The configuration: `tracegraph.toml`, every value also by environment, checked before anything starts.

`TRACEGRAPH_SERVER__PORT=9000` overrides `port` under `[server]`: levels are joined by two underscores, and a
dash in a source's name is written as one underscore.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tracegraph.adapter import SourceSettings
from tracegraph.auth_table import AuthTable, JwtTable, KeyTable
from tracegraph.documents_table import DocumentsTable
from tracegraph.errors import ConfigurationError
from tracegraph.secrets import SecretRef
from tracegraph.source_table import TABLES, SourceTable, Table
from tracegraph.upstream.callers import STAND_IN

DEFAULT_FILE = Path("tracegraph.toml")
_PREFIX = "TRACEGRAPH_"
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")  # a name, IPv4 or IPv6
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class ServerSettings(Table):
    """`[server]`: where the gateway listens, what it serves beside `/graphql`, and for whom.

    `cors_origins` are the sites whose pages may ask, `allowed_hosts` names to answer to beside those of loopback.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    playground: bool = True
    introspection: bool = True
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(
                    f'{origin!r} is no origin: write each site out, such as "https://app.example", without a path'
                )
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f'{host!r} is no host: write each name out, such as "traces.example", without a port'
                )
        return tuple(host.lower() for host in hosts)


class LimitSettings(Table):
    """`[limits]`: what one request may take.

    `deadline_s` bounds the answer, `scan_pages` the vendor pages that one list reads of one source,
    `active_experiments` the experiments of each source whose sessions are merged when none are named,
    `computed_pages` the vendor pages that computed figures read of one experiment's sessions. A document has at
    most `max_tokens`, `max_depth` and `max_aliases`, and may cost `max_cost` (see `graphql/cost.py`).
    """

    deadline_s: float = Field(10.0, gt=0, le=300)
    default_first: int = Field(20, ge=1)
    max_first: int = Field(1000, ge=1)
    scan_pages: int = Field(20, ge=1)
    active_experiments: int = Field(10, ge=1, le=100)
    computed_pages: int = Field(100, ge=1)
    max_body_bytes: int = Field(250_000, ge=1000)
    body_timeout_s: float = Field(10.0, gt=0, le=300)
    max_tokens: int = Field(2000, ge=100)
    max_depth: int = Field(20, ge=1, le=100)
    max_aliases: int = Field(100, ge=0)
    max_cost: int = Field(100_000, ge=1)

    @model_validator(mode="after")
    def _default_within_maximum(self) -> Self:
        if self.default_first > self.max_first:
            raise ValueError("default_first is larger than max_first: lower it, or raise max_first")
        return self


class CacheSettings(Table):
    """`[cache]`: where vendors' answers are kept, how long they are fresh, how long they may stand in.

    `max_entries` and `max_mb` bound what a process keeps in memory. Redis is what several processes share besides:
    `password` is its own, `secret` goes into the keys and seals of entries (see `upstream/keys.py`), and no answer
    waits longer than `redis_timeout_ms` for it. `allow_no_cache`: clients may ask past the cache.
    `share_in_flight`: equal queries share one answer, equal reads under one credential one call.
    """

    url: str = "memory://"
    ttl_s: float = Field(5, ge=0)
    stale_s: float = Field(300, ge=0)
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
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError('it is "memory://", "redis://host:port/0" or "off"')
        if parts.password is not None:
            raise ValueError('its password is given by reference: password = "env:NAME"')
        if not re.fullmatch(r"/?[0-9]*", parts.path) or parts.query or parts.fragment or not _has_port(parts):
            raise ValueError('it is written as "redis://host:port/0", with the number of a database at the end')
        return url


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
        parts = urlsplit(endpoint or "http://localhost")
        if parts.scheme not in {"http", "https"} or not parts.hostname or not _has_port(parts):
            raise ValueError("it is the collector's URL, such as http://localhost:4318/v1/traces")
        if parts.username or parts.password:
            raise ValueError("it must have no user or password: give headers by OTEL_EXPORTER_OTLP_HEADERS")
        return endpoint


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    cache: CacheSettings = CacheSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    auth: AuthTable = AuthTable()
    documents: DocumentsTable = DocumentsTable()
    sources: dict[str, SourceTable] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _join_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A source that the environment calls NEMO_RESEARCH is the file's nemo-research."""
        sources = values.get("sources")
        if not isinstance(sources, dict):
            return values
        joined: dict[str, Any] = {}
        for name in sorted(sources, key=lambda name: "-" not in name):
            table = sources[name]
            known = next((other for other in joined if _plain(other) == _plain(name)), None)
            if known is None or not isinstance(table, dict):
                joined[name] = table
            else:
                joined[known] = _over(joined[known], table)
        return {**values, "sources": {name: joined[name] for name in _in_given_order(joined, sources)}}

    @field_validator("sources")
    @classmethod
    def _nameable(cls, sources: dict[str, SourceTable]) -> dict[str, SourceTable]:
        for name in sources:
            if not _SOURCE_NAME.fullmatch(name):
                raise ValueError(
                    f"the source name {name!r} may hold letters, digits, dots, dashes and underscores only"
                )
        return sources

    @model_validator(mode="after")
    def _keys_see_sources_that_are(self) -> Self:
        for name, key in self.auth.keys.items():
            for source in key.sources or ():
                if source not in self.sources:
                    raise ValueError(f"auth.keys.{name}.sources names {source!r}, which is no configured source")
        return self

    @model_validator(mode="after")
    def _tries_end_before_the_deadline(self) -> Self:
        deadline_s = self.limits.deadline_s
        for name, table in self.sources.items():
            if table.timeout_s is not None and table.timeout_s >= deadline_s:
                raise ValueError(
                    f"sources.{name}.timeout_s ({table.timeout_s:g}) must be below limits.deadline_s "
                    f"({deadline_s:g}), or a source that hangs takes the whole request's time: lower timeout_s"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's form
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, and nothing else is read."""
        return env_settings, init_settings


def load_settings(file: Path | None = None) -> Settings:
    """The configuration from a file (default: `tracegraph.toml` if it is there) and the environment.

    Raises ConfigurationError with one sentence that names the file, the key and the remedy.
    """
    named = file or (Path(value) if (value := os.environ.get("TRACEGRAPH_CONFIG")) else None)
    path = named or DEFAULT_FILE
    _refuse_unknown_tables(path)
    tables = _read(path) if named is not None or path.exists() else {}
    try:
        settings = Settings(**tables)
    except ValidationError as error:
        raise ConfigurationError(_complaint(path, error)) from None
    if not settings.sources:
        raise ConfigurationError(
            f"{path}: no source is configured: add a table such as [sources.nemo] with vendor and base_url, "
            "or try `tracegraph demo`."
        )
    return settings


def _refuse_unknown_tables(path: Path) -> None:
    for variable in os.environ:
        table, levels, _ = variable.removeprefix(_PREFIX).lower().partition("__")
        if variable.startswith(_PREFIX) and levels and table not in Settings.model_fields:
            raise ConfigurationError(
                f"{path}: the environment sets {variable}, and {table} is no table of the configuration; "
                f"there are: {', '.join(Settings.model_fields)}. Levels are joined by two underscores."
            )


def source_settings(name: str, table: SourceTable, origin: str) -> SourceSettings:
    """A source's table as its adapter sees it."""
    options = dict(table.model_extra or {})
    if table.pass_through is not None:
        options["api_key"] = STAND_IN
    return SourceSettings(name, table.vendor, options, origin, tuple(SourceTable.model_fields))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: there is no such file: create it, or name another with --config."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: the file cannot be read as UTF-8 text: check its rights.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: this is not TOML, or it says a thing twice: {error}.") from None


def _complaint(path: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        if first["loc"][0] == "sources":
            return _not_in_source(path, key, first["loc"])
        table, known = _table_of(first["loc"])
        return f"{path}: {key} is not a setting; {table} takes: {', '.join(known.model_fields)}."
    if first["type"] == "missing":
        return f"{path}: {key} is missing: add it."
    said = first["msg"].removeprefix("Value error, ")
    return f"{path}: {key} cannot be used: {said}." if key else f"{path}: {said}."


def _table_of(loc: tuple[int | str, ...]) -> tuple[str, type[BaseModel]]:
    """The innermost table in which a key was given, as it is written, and what it takes."""
    table = str(loc[0])
    if len(loc) == 1 or table not in _TABLES:
        return "it", Settings
    within = _WITHIN_AUTH.get(str(loc[1])) if table == "auth" else None
    if within is None or len(loc) < 3:
        return f"[{table}]", _TABLES[table]
    return f"[{'.'.join(str(part) for part in loc[:-1])}]", within


def _not_in_source(path: Path, key: str, loc: tuple[int | str, ...]) -> str:
    _, name, table, *_ = loc
    known = TABLES[str(table)].model_fields
    return f"{path}: {key} is not a setting; [sources.{name}.{table}] takes: {', '.join(known)}."


_TABLES: dict[str, type[BaseModel]] = {
    "server": ServerSettings,
    "limits": LimitSettings,
    "cache": CacheSettings,
    "log": LogSettings,
    "metrics": MetricsSettings,
    "tracing": TracingSettings,
    "auth": AuthTable,
    "documents": DocumentsTable,
}
_WITHIN_AUTH: dict[str, type[BaseModel]] = {"keys": KeyTable, "jwt": JwtTable}


def _has_port(parts: SplitResult) -> bool:
    """Whether the port, if there is one, is a number that a port can have."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both tables as one, where the one above wins; so too for the tables in them."""
    joined = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            joined[key] = _over(below[key], above[key])
    return joined


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _in_given_order(joined: dict[str, Any], given: dict[str, Any]) -> list[str]:
    order = {_plain(name): index for index, name in reversed(list(enumerate(given)))}
    return sorted(joined, key=lambda name: order[_plain(name)])
