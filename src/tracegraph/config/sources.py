"""`[sources.<name>]`: the settings that every source has, whatever its vendor."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from tracegraph.config.messages import SettingError
from tracegraph.config.proxies import ProxyRef, proxy_of_environment
from tracegraph.config.urls import is_loopback, read_url
from tracegraph.domain.calls import RateLimit
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.pipeline import ResiliencePolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryPolicy
from tracegraph.upstream.tls import ssl_context
from tracegraph.upstream.transport import TransportSettings

_RETRY, _BREAKER, _TRANSPORT = RetryPolicy(), CircuitBreakerPolicy(), TransportSettings("")


_PASS_THROUGH_HEADER = re.compile(r"[Xx]-[A-Za-z0-9-]{1,60}")


YEAR_S = 366 * 24 * 3600.0
"""The upper bound of times: a longer time is a typing error."""


_SHARE_OF_DEADLINE = 0.4
"""A source that hangs leaves a request the time for a second attempt and for the calls that follow."""


def reject_bool(table: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Return the value of a field, unless it is true or false where the field is a number.

    The library would take true for 1.

    Args:
        table: The model of the table.
        value: The value.
        info: The field.

    Raises:
        ValueError: For true or false where the field is a number.
    """
    if isinstance(value, bool) and info.field_name is not None:
        annotation = table.model_fields[info.field_name].annotation
        if annotation in {int, float, int | None, float | None}:
            raise ValueError("a number is expected, not true or false")
    return value


class Table(BaseModel):
    """A table of the configuration, which takes no other keys than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _reject_bool_for_number(cls, value: Any, info: ValidationInfo) -> Any:
        return reject_bool(cls, value, info)


class RetryTable(Table):
    """`[sources.<name>.retry]`: see `RetryPolicy`."""

    attempts: int = Field(_RETRY.attempts, ge=1, le=10)
    base_s: float = Field(_RETRY.base_s, ge=0, le=300)
    cap_s: float = Field(_RETRY.cap_s, ge=0, le=300)
    budget_ratio: float = Field(_RETRY.budget_ratio, ge=0, le=1)
    budget_floor: int = Field(_RETRY.budget_floor, ge=0, le=1_000_000)
    budget_window_s: float = Field(_RETRY.budget_window_s, gt=0, le=YEAR_S)

    def policy(self) -> RetryPolicy:
        """Return the policy for the upstream client."""
        return RetryPolicy(**self.model_dump())


class BreakerTable(Table):
    """`[sources.<name>.breaker]`: see `CircuitBreakerPolicy`."""

    enabled: bool = _BREAKER.enabled
    failure_rate: float = Field(_BREAKER.failure_rate, gt=0, le=1)
    min_calls: int = Field(_BREAKER.min_calls, ge=1, le=1_000_000)
    window_s: float = Field(_BREAKER.window_s, gt=0, le=YEAR_S)
    pause_s: float = Field(_BREAKER.pause_s, gt=0, le=YEAR_S)

    def policy(self) -> CircuitBreakerPolicy:
        """Return the policy for the upstream client."""
        return CircuitBreakerPolicy(**self.model_dump())


class RateTable(Table):
    """At most `calls` in any `per_s` seconds."""

    calls: int = Field(ge=1, le=1_000_000_000)
    per_s: float = Field(gt=0, le=YEAR_S)


class LimitsTable(Table):
    """`[sources.<name>.limits]`: rates by kind of call, which replace the vendor's documented rates."""

    rates: dict[str, RateTable | Literal["off"]] = Field(default_factory=dict)
    backoff_s: float = Field(1.0, ge=0, le=YEAR_S)

    def policy(self) -> LimitPolicy:
        """Return the policy for the upstream client."""
        rates = {
            kind: RateLimit(rate.calls, rate.per_s) if isinstance(rate, RateTable) else None
            for kind, rate in self.rates.items()
        }
        return LimitPolicy(rates, self.backoff_s)


class SourceTable(BaseModel):
    """`[sources.<name>]`: the keys of every vendor; the adapter's own keys stay in the extras.

    `timeout_s` limits one attempt of one call, and is less than `limits.deadline_s`; see `timeout_within` for its
    default. `ca_file` holds the only trusted authorities for an https source, and `client_certificate` and
    `client_key` the gateway's own certificate. `proxy` is the URL of a proxy, or a reference to it. With
    `trust_env` the environment's HTTPS_PROXY and NO_PROXY apply.

    `ttl_by_kind` overrides `cache.ttl_s` by kind of call. `pass_through` names the header in which callers send
    their own key for this source. Such a source has no `api_key`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    vendor: str
    base_url: str
    timeout_s: float | None = Field(None, gt=0)
    connect_timeout_s: float = Field(_TRANSPORT.connect_timeout_s, gt=0, le=300)
    max_connections: int = Field(_TRANSPORT.max_connections, ge=1, le=10_000)
    max_response_bytes: int = Field(_TRANSPORT.max_response_bytes, ge=1024)
    allow_http: bool = False
    ca_file: Annotated[str, Field(min_length=1)] | None = None
    client_certificate: Annotated[str, Field(min_length=1)] | None = None
    client_key: Annotated[str, Field(min_length=1)] | None = None
    proxy: ProxyRef | None = None
    trust_env: bool = False
    transport: Literal["pooled", "httpx"] = _TRANSPORT.implementation
    pass_through: str | None = None
    ttl_by_kind: dict[str, Annotated[float, Field(ge=0, le=YEAR_S)]] = Field(default_factory=dict)
    retry: RetryTable = RetryTable()
    breaker: BreakerTable = BreakerTable()
    limits: LimitsTable = LimitsTable()

    @field_validator("*", mode="before")
    @classmethod
    def _reject_bool_for_number(cls, value: Any, info: ValidationInfo) -> Any:
        return reject_bool(cls, value, info)

    @field_validator("base_url")
    @classmethod
    def _url(cls, base_url: str) -> str:
        parts = read_url(base_url, "it must be an http(s) URL with a host, such as https://api.example.com")
        if "?" in base_url or "#" in base_url or "@" in parts.netloc:
            raise ValueError("it must have no user, password, query or fragment: remove them")
        if parts.path.startswith("//"):
            raise ValueError("it has two schemes or a double slash: write it as https://api.example.com")
        return base_url

    @field_validator("pass_through")
    @classmethod
    def _header(cls, name: str | None) -> str | None:
        if name is not None and not _PASS_THROUGH_HEADER.fullmatch(name):
            raise ValueError('it must be the name of a header that begins with x-, such as "x-vendor-key"')
        return name

    @field_validator("ca_file")
    @classmethod
    def _has_authorities(cls, ca_file: str | None) -> str | None:
        if ca_file is not None:
            ssl_context(ca_file)
        return ca_file

    @model_validator(mode="after")
    def _has_a_usable_certificate(self) -> Self:
        if self.client_certificate is None and self.client_key is not None:
            raise SettingError("client_key", "client_certificate is not set: set both, or neither")
        if self.client_certificate is not None:
            try:
                ssl_context(self.ca_file, self.client_certificate, self.client_key)
            except ValueError as error:
                raise SettingError("client_certificate", str(error)) from None
        return self

    @model_validator(mode="after")
    def _has_a_usable_proxy(self) -> Self:
        try:
            self.effective_proxy()
        except ValueError as error:
            raise SettingError(
                "trust_env", f"the environment names a proxy that cannot be used: {error}"
            ) from None
        return self

    @model_validator(mode="after")
    def _sends_keys_safely(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not (self.allow_http or is_loopback(parts.hostname or "")):
            raise SettingError(
                "base_url", "it would send the key unencrypted: use https, or set allow_http = true"
            )
        if self.pass_through is not None and "api_key" in (self.model_extra or {}):
            raise SettingError("api_key", "api_key and pass_through are both set: remove one of them")
        return self

    def policy(self) -> ResiliencePolicy:
        """Return the resilience settings of the source."""
        return ResiliencePolicy(self.retry.policy(), self.breaker.policy(), self.limits.policy())

    def timeout_within(self, deadline_s: float) -> float:
        """Return the seconds for one attempt: `timeout_s`, else the lesser of 4 s and 0.4 of the deadline."""
        return self.timeout_s or min(_TRANSPORT.timeout_s, _SHARE_OF_DEADLINE * deadline_s)

    def effective_proxy(self) -> SecretStr | None:
        """Return the URL of the proxy: `proxy`, else that of the environment if `trust_env` is set."""
        if self.proxy is not None or not self.trust_env:
            return self.proxy
        found = proxy_of_environment(self.base_url)
        return None if found is None else found.read()

    def transport_settings(self, deadline_s: float) -> TransportSettings:
        """Return the settings of the transport where a request has `deadline_s` seconds in all."""
        return TransportSettings(
            base_url=self.base_url.rstrip("/"),
            ca_file=self.ca_file,
            client_certificate=self.client_certificate,
            client_key=self.client_key,
            proxy=self.effective_proxy(),
            implementation=self.transport,
            timeout_s=self.timeout_within(deadline_s),
            connect_timeout_s=self.connect_timeout_s,
            max_connections=self.max_connections,
            max_response_bytes=self.max_response_bytes,
        )
