"""Writes the tables of docs/configuration.md from the settings models: `python -m tools.configuration_page`.

The text around the two markers is written by hand. A setting without a meaning here is an error.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tracegraph.adapter.registry import installed_vendors, load
from tracegraph.config.environment import PREFIX
from tracegraph.config.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN = "<!-- make docs-configuration writes from here -->\n"
END = "<!-- to here -->\n"
_COLUMNS = ("Setting", "Type", "Default", "Unit", "Bounds", "Environment variable", "Meaning")
_HEAD = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"
_PLACEHOLDERS = {"sources": "<name>", "keys": "<name>", "rates": '"<kind>"'}
_UNITS = {"_s": "s", "_ms": "ms", "_mb": "MiB", "_bytes": "bytes", "_per_minute": "per minute"}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_SOURCE = "sources.<name>"

MEANINGS: Mapping[str, str] = {
    "server.host": "The address to listen on. Any address but loopback needs `[auth]` or `--insecure`.",
    "server.port": "The port to listen on. 0 takes a free one.",
    "server.uds": "The absolute path of a Unix socket, instead of `host` and `port`, for its owner and group.",
    "server.fd": "The number of a listening socket that the parent process opened, such as 3 with systemd's "
    "socket activation, instead of `host` and `port`.",
    "server.workers": "The number of processes that share the port. `--workers` overrides it.",
    "server.playground": "Whether a browser gets the playground page.",
    "server.pages": "Whether a browser gets the [pages](pages.md) at `/`.",
    "server.introspection": "Whether introspection (`__schema` and `__type`) is allowed.",
    "server.compression": "Whether long responses are compressed for clients that accept gzip.",
    "server.cors_origins": 'Sites whose pages may send queries, such as `["https://app.example"]`.',
    "server.allowed_hosts": "Names, addresses and networks that the `Host` header may have, beside loopback. "
    '`"*"` allows every name.',
    "server.drain_s": "How long the port stays open after SIGTERM, while `/readyz` is 503.",
    "server.compiled_plans": "Whether queries are compiled into plans. Off, graphql-core executes them: equal "
    "responses at several times the CPU, for a library version whose internals moved.",
    "limits.deadline_s": "The time within which a response is sent. Calls to vendors get slightly less.",
    "limits.default_first": "The number of rows of a list without `first`.",
    "limits.max_first": "The largest `first`, and the largest number of IDs in a filter.",
    "limits.scan_pages": "The most vendor pages that one list reads from one source.",
    "limits.active_experiments": "Experiments of each source that `sessions` reads without `experimentIds`.",
    "limits.computed_pages": "The most vendor pages that COMPUTED figures read of one experiment's sessions.",
    "limits.max_body_bytes": "The largest POST body.",
    "limits.body_timeout_s": "The time within which a POST body must arrive.",
    "limits.max_tokens": "The most tokens of a document, comments included.",
    "limits.max_depth": "The most levels of nested fields.",
    "limits.max_aliases": "The most aliased fields of a document.",
    "limits.max_cost": "The highest cost of a query. See [Query cost](clients.md#query-cost).",
    "cache.url": '`"memory://"`, `"redis://host:port/0"` (memory and Redis) or `"off"`.',
    "cache.ttl_s": "How long a vendor's reply is fresh.",
    "cache.stale_s": "How long after that a reply may replace a failed call. The source is then STALE.",
    "cache.share_in_flight": "Whether equal queries share one execution, and equal calls one call. "
    "Calls are equal under one credential only.",
    "cache.max_entries": "The most replies in the memory of one process.",
    "cache.max_mb": "The total size of the replies in the memory of one process.",
    "cache.allow_no_cache": "Whether `Cache-Control: no-cache` of a client bypasses the cache.",
    "cache.redis_timeout_ms": "The longest time that a response waits for Redis.",
    "cache.copies": "The number of processes (workers of all copies) among which a vendor's rate limit is divided "
    "while there is no Redis, or Redis does not respond.",
    "cache.password": "The password for Redis.",
    "cache.secret": "A secret in the keys and signatures of shared entries. Use the same one in all processes.",
    "log.level": "The lowest level that is logged.",
    "log.format": "`auto` is `console` on a terminal and `json` elsewhere.",
    "metrics.enabled": "Whether `/metrics` is served.",
    "metrics.operation_names": "Operation names that one process counts separately. Others count as `other`.",
    "metrics.directory": "Where several workers share their metrics, in a temporary folder. If not set, in "
    "`/dev/shm` or else the system's temporary folder. Without any, each worker reports its own metrics.",
    "tracing.enabled": "Whether spans are exported. Needs the extra `tracegraph[otel]`.",
    "tracing.endpoint": "The full URL of the collector. `OTEL_EXPORTER_OTLP_*` apply if it is not set.",
    "tracing.sample_ratio": "The ratio of new traces that are sampled.",
    "tracing.pass_on": "Whether vendors get `traceparent` and `tracestate`.",
    "auth.requests_per_minute": "The most requests of each principal without a limit of its own.",
    "auth.cost_per_minute": "The highest query cost of each principal without a limit of its own.",
    "auth.open_metrics": "Whether `/metrics` is served without a credential. It names every source.",
    "auth.keys.<name>.requests_per_minute": "The most requests with this key.",
    "auth.keys.<name>.cost_per_minute": "The highest query cost with this key.",
    "auth.keys.<name>.sha256": "The hash of the key, as `tracegraph key new` prints it: 64 hexadecimal digits.",
    "auth.keys.<name>.sources": "The only sources that are visible with this key. All sources if it is not set.",
    "auth.jwt.requests_per_minute": "The most requests of each token's subject.",
    "auth.jwt.cost_per_minute": "The highest query cost of each token's subject.",
    "auth.jwt.issuer": "The `iss` that a token must have.",
    "auth.jwt.audience": "The `aud` that a token must have.",
    "auth.jwt.jwks": "The URL of the provider's keys (https, or http on loopback), or `file:PATH`.",
    "auth.jwt.algorithms": "Signature algorithms that are accepted.",
    "auth.jwt.leeway_s": "How far the clocks of provider and gateway may differ.",
    "auth.jwt.refetch_s": "The shortest time between two fetches of the keys because of an unknown key.",
    "auth.jwt.renew_s": "How often the keys are fetched again. A withdrawn key is valid until then.",
    "auth.jwt.sources_claim": "The claim with the visible sources. A token without the claim sees no source.",
    "documents.trusted": "A manifest of operations, or a folder of `.graphql` files. "
    "See [Persisted documents](clients.md#persisted-documents).",
    "documents.only_trusted": "Whether all other documents are refused, introspection included.",
    "documents.automatic": "The most documents that clients may register by hash (APQ). 0 disables registration.",
    "documents.automatic_mb": "The total size of the registered documents.",
    f"{_SOURCE}.vendor": "The name of an installed adapter: `nemo`, `langsmith`, `meibel`, `mlflow`, `phoenix`.",
    f"{_SOURCE}.base_url": "The vendor's address: https, or http on loopback. "
    "A documented path such as `/api/v1` may be left out.",
    f"{_SOURCE}.timeout_s": "The time for one attempt of one call. It must be below `limits.deadline_s`.",
    f"{_SOURCE}.connect_timeout_s": "The time to open a connection.",
    f"{_SOURCE}.max_connections": "Concurrent calls of one process, each on a connection of its own.",
    f"{_SOURCE}.max_response_bytes": "The largest reply, after decompression.",
    f"{_SOURCE}.allow_http": "Whether plain http is allowed for a host that is not loopback.",
    f"{_SOURCE}.ca_file": "A PEM file with the only authorities that are trusted for this source's certificate.",
    f"{_SOURCE}.client_certificate": "A PEM file with the certificate that the gateway shows to this source.",
    f"{_SOURCE}.client_key": "A PEM file with its private key, unencrypted. "
    "If it is not set, `client_certificate` holds the key.",
    f"{_SOURCE}.proxy": "The URL of an HTTP proxy. With a user and a password it must be a reference.",
    f"{_SOURCE}.trust_env": "Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` apply.",
    f"{_SOURCE}.transport": "`pooled` is the gateway's own. `httpx` is that of the library, which takes more CPU "
    "time and is always used with a proxy.",
    f"{_SOURCE}.pass_through": "A header that begins with `x-`, in which callers send their own key. "
    "It replaces `api_key`.",
    f"{_SOURCE}.ttl_by_kind": "`ttl_s` by kind of call, such as `{ sessions = 30 }`.",
    f"{_SOURCE}.retry.attempts": "The most attempts of one call. 1 disables retries.",
    f"{_SOURCE}.retry.base_s": "The time before attempt n + 1 is random, up to `base_s` * 2^(n - 1).",
    f"{_SOURCE}.retry.cap_s": "The upper bound of that time.",
    f"{_SOURCE}.retry.budget_ratio": "The number of retries allowed for each call within the window.",
    f"{_SOURCE}.retry.budget_floor": "The number of retries allowed within the window in any case.",
    f"{_SOURCE}.retry.budget_window_s": "The window of the retry budget.",
    f"{_SOURCE}.breaker.enabled": "Whether each kind of call has a circuit breaker.",
    f"{_SOURCE}.breaker.failure_rate": "The ratio of failed calls that opens the circuit.",
    f"{_SOURCE}.breaker.min_calls": "The fewest calls in the window for which the ratio is evaluated.",
    f"{_SOURCE}.breaker.window_s": "The window in which calls are counted.",
    f"{_SOURCE}.breaker.pause_s": "How long the circuit stays open before one call is let through.",
    f"{_SOURCE}.limits.backoff_s": "How long a kind of call pauses after a 429 without `Retry-After`.",
    f'{_SOURCE}.limits.rates."<kind>".calls': "The most calls of this kind in any `per_s` seconds. "
    '`"off"` in place of the table removes the limit. '
    'The kind `"*"` counts all kinds without a rate of their own together.',
    f'{_SOURCE}.limits.rates."<kind>".per_s': "The window of the rate.",
    "langsmith.api_key": "Sent as `X-API-Key`.",
    "langsmith.tenant_id": "A workspace's id, sent as `X-Tenant-Id`. Required for a key of an organization.",
    "langsmith.api": "The interface to use: `auto` follows the deployment and prefers v2.",
    "langsmith.web_url": "The address of the web application, for `url`. The default follows from `base_url`.",
    "meibel.api_key": "Sent as `Meibel-API-Key`.",
    "meibel.scores": "Whether confidence scores are read, by one more call for each agent.",
    "meibel.web_url": "A template of the address of a session's page, for `url`, such as "
    "`https://app.example.com/agents/{experiment_id}/sessions/{session_id}`. See [Links](#links).",
    "meibel.experiment_web_url": "A template of the address of an agent's page, with `{experiment_id}`.",
    "mlflow.token": "Sent as a bearer token, for a proxy in front of the server.",
    "mlflow.username": "The user of MLflow's own authentication, sent with `password` as HTTP Basic.",
    "mlflow.password": "The password of `username`. After a change of it, restart the gateway.",
    "mlflow.web_url": "The address under which a browser reaches MLflow. Without it, the base URL.",
    "nemo.api_key": "Sent as a bearer token. A NeMo without authentication needs none.",
    "nemo.release": "The NeMo release whose interface the service has: the highest of these that is not above its "
    'version. `"auto"` finds it with the first call.',
    "phoenix.api_key": "Sent as a bearer token. A Phoenix without authentication needs none.",
    "phoenix.web_url": "The address under which a browser reaches Phoenix, for `url`. Without it, the base URL.",
    "nemo.web_url": "The address under which a browser reaches NeMo Studio. Without it, the base URL.",
    "nemo.workspace": "The workspace that this source reads.",
}
"""The meaning of each setting, by its path."""

_DEFAULTS = {
    f"{_SOURCE}.timeout_s": "the lesser of 4 and 0.4 * `limits.deadline_s`",
    "tracing.endpoint": "`http://localhost:4318/v1/traces`",
}
"""Defaults that depend on another setting."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its path with placeholders for names, and its field."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def name(self) -> str:
        """Return the path with dots between its parts."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """Return the environment variable of the setting, as Markdown."""
        given_as_json = '"<kind>"' in self.path
        path = self.path[: self.path.index('"<kind>"')] if given_as_json else self.path
        parts = ("<NAME>" if part == "<name>" else part.upper() for part in path)
        return f"`{PREFIX}{'__'.join(parts)}`{' as JSON' if given_as_json else ''}"


def page(text: str) -> str:
    """Return the page with the tables of the current models between its markers."""
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}{tables()}{END}{after}"


def tables() -> str:
    """Return all tables as Markdown. Raise ValueError if the settings and MEANINGS have different keys."""
    sections = [*_sections(), *_adapter_sections()]
    documented = {meaning for _, rows in sections for meaning, _ in rows}
    if documented != MEANINGS.keys():
        raise ValueError(f"MEANINGS and the settings differ in {sorted(documented ^ MEANINGS.keys())}")
    return "\n" + "\n".join(_section(heading, rows) for heading, rows in sections) + "\n"


Rows = Sequence[tuple[str, Setting]]
"""Settings, each by the key of its meaning."""


def _sections() -> Iterator[tuple[str, Rows]]:
    by_table: dict[tuple[str, ...], list[Setting]] = {}
    for setting in _settings(Settings, ()):
        by_table.setdefault(setting.path[:-1], []).append(setting)
    for path, settings in by_table.items():
        yield f"[{'.'.join(path)}]", [(setting.name, setting) for setting in settings]


def _adapter_sections() -> Iterator[tuple[str, Rows]]:
    """Yield the keys of this distribution's adapters."""
    for vendor, entry in sorted(installed_vendors().items()):
        ours = entry.dist is not None and entry.dist.name == "tracegraph"
        options = load(entry).options if ours else None
        if options is not None:
            rows = [
                (f"{vendor}.{name}", Setting(("sources", "<name>", name), field))
                for name, field in options.model_fields.items()
            ]
            yield f"[{_SOURCE}] with vendor = {json.dumps(vendor)}", rows


def _settings(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Setting]:
    """Yield the settings of a table, then those of its nested tables."""
    inner: list[tuple[type[BaseModel], tuple[str, ...]]] = []
    for name, field in model.model_fields.items():
        table, placeholder = _table_of(field.annotation)
        if table is None:
            yield Setting((*path, name), field)
        else:
            inner.append((table, (*path, name, *([_PLACEHOLDERS[name]] if placeholder else []))))
    for table, below in inner:
        yield from _settings(table, below)


def _table_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model of a field, or of the values of its dict; and whether the field is a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is dict:
        return _table_of(get_args(annotation)[1])[0], True
    if _is_union(annotation):
        models = [table for table, _ in map(_table_of, get_args(annotation)) if table is not None]
        return (models[0] if models else None), False
    return None, False


def _section(heading: str, rows: Rows) -> str:
    lines = "".join(_row(meaning, setting) for meaning, setting in rows)
    return f"### `{heading}`\n\n{_HEAD}{lines}"


def _row(meaning: str, setting: Setting) -> str:
    kind, field = _type(setting.field.annotation), setting.field
    cells = [
        f"`{setting.path[-1]}`",
        kind,
        _DEFAULTS.get(meaning) or _default(field),
        _unit(setting.path[-1]),
        _bounds(field),
        setting.variable,
        MEANINGS.get(meaning, ""),
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _unit(name: str) -> str:
    if name == "per_s":
        return "s"
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    return f"`{json.dumps(default)}`"


def _type(annotation: Any) -> str:
    annotation = _plain(annotation)
    origin = get_origin(annotation)
    if annotation is SecretStr:
        return "secret"
    if origin is Literal:
        return "string"
    if origin is tuple:
        return f"list of {_type(get_args(annotation)[0])}s"
    if origin is dict:
        return f"table of {_type(get_args(annotation)[1])}s"
    return {bool: "boolean", int: "integer", float: "number", str: "string"}[annotation]


def _bounds(field: FieldInfo) -> str:
    """Return the bounds of a number, of a table's values or of a length, and the choices."""
    constraints = [*field.metadata, *_metadata(field.annotation)]
    signs = [
        f"{sign} {_figure(getattr(constraint, name))}"
        for name, sign in _SIGNS.items()
        for constraint in constraints
        if getattr(constraint, name, None) is not None
    ]
    if any(getattr(constraint, "min_length", None) for constraint in constraints):
        signs.append("not empty")
    choices = _choices(field.annotation)
    if choices:
        signs.append(f"one of {', '.join(f'`{choice}`' for choice in choices)}")
    return ", ".join(dict.fromkeys(signs))


def _choices(annotation: Any) -> Sequence[str]:
    """Return the strings that a field, or a member of its list, may be; empty if any string may."""
    annotation = _plain(annotation)
    if get_origin(annotation) is tuple:
        return _choices(get_args(annotation)[0])
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _metadata(annotation: Any) -> Iterator[Any]:
    """Yield the annotations of a type and of its parts."""
    for annotated in getattr(annotation, "__metadata__", ()):
        yield from getattr(annotated, "metadata", [annotated])
    for inner in get_args(annotation):
        yield from _metadata(inner)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _plain(annotation: Any) -> Any:
    """Return the type without None and without annotations."""
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    if _is_union(annotation):
        (annotation,) = [member for member in get_args(annotation) if member is not type(None)]
        return _plain(annotation)
    return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written.\n")


if __name__ == "__main__":
    main()
