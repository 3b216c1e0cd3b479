"""Invalid configurations, each with parts of the one sentence that rejects it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.cli.configurations import SECRET

NEMO = '[sources.nemo]\nvendor = "nemo"\nbase_url = "https://nemo.example"\n'
LANGSMITH = '[sources.langsmith]\nvendor = "langsmith"\nbase_url = "https://api.smith.langchain.com"\n'
JWT = '[auth.jwt]\nissuer = "https://login.example"\naudience = "tracegraph"\n'
HASH = "0" * 64
TWO_IN_JSON = (
    '{"a-b": {"vendor": "nemo", "base_url": "https://a"}, "A_B": {"vendor": "nemo", "base_url": "https://b"}}'
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A configuration: its text, other files and environment variables, and phrases of the message."""

    case: str
    text: str
    phrases: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def at(url: str, vendor: str = "nemo", more: str = "") -> str:
    """Return a source at that address."""
    return f'[sources.x]\nvendor = "{vendor}"\nbase_url = "{url}"\n{more}\n'


def keyed(reference: str) -> str:
    """Return a source with that reference as its key."""
    return f'{LANGSMITH}api_key = "{reference}"'


FILES_AND_NAMES = [
    Wrong("a key at the top level", "colour = 1\n" + NEMO, ("colour", "is not a setting", "server", "sources")),
    Wrong(
        "a key in a table",
        "[server]\nprot = 1\n" + NEMO,
        ("server.prot", "is not a setting", "[server] takes: host"),
    ),
    Wrong("a key of several lines", '"a\\nb" = 1\n' + NEMO, ('"a\\nb" is not a setting',)),
    Wrong("a key in a source", NEMO + 'worksapce = "x"', ("sources.nemo.worksapce", "workspace")),
    Wrong("a source's common key, misspelt", NEMO + 'timeout = "5s"', ("sources.nemo.timeout", "base_url")),
    Wrong(
        "a key in a source's table",
        NEMO + "[sources.nemo.retry]\ntries = 5",
        ("sources.nemo.retry.tries", "[sources.nemo.retry] takes: attempts"),
    ),
    Wrong(
        "a key in an API key",
        f"[auth.keys.a]\nsha256 = '{HASH}'\nsorces = []\n" + NEMO,
        ("auth.keys.a.sorces", "[auth.keys.a] takes: "),
    ),
    Wrong("a table that is a number", "server = 5\n" + NEMO, ("server cannot", "a table is expected")),
    Wrong("sources that are a number", "sources = 5\n", ("sources cannot", "a table is expected")),
    Wrong("a source that is a number", "[sources]\nnemo = 5\n", ("sources.nemo cannot", "a table is expected")),
    Wrong("a list of sources", "[[sources]]\nvendor = 'nemo'\n", ("sources cannot", "a table is expected")),
    Wrong("an empty file", "", ("no source is configured", "[sources.nemo]", "tracegraph demo")),
    Wrong("no source", "[server]\nport = 8000\n", ("no source is configured",)),
    Wrong("no vendor", '[sources.x]\nbase_url = "https://x"\n', ("sources.x.vendor", "missing", "add it")),
    Wrong("no base_url", '[sources.x]\nvendor = "nemo"\n', ("sources.x.base_url", "missing", "add it")),
    Wrong("no key", LANGSMITH, ("sources.langsmith.api_key", "missing", "add it")),
    Wrong("one source twice", NEMO + NEMO, ("TOML", "twice")),
    Wrong("not TOML", "[server\n", ("TOML",)),
    Wrong(
        "two sources that differ in a dash",
        at("https://a.example").replace(".x]", ".prod-x]") + at("https://b.example").replace(".x]", ".prod_x]"),
        ("sources.prod_x", "sources.prod-x", "rename"),
    ),
    Wrong(
        "two sources that differ in case",
        NEMO + NEMO.replace("[sources.nemo]", "[sources.NEMO]"),
        ("sources.NEMO", "sources.nemo", "rename"),
    ),
    Wrong(
        "three sources of nearly one name",
        "".join(NEMO.replace("[sources.nemo]", f"[sources.{name}]") for name in ("a-b-c", "a_b-c", "A_B_C")),
        ("a_b-c", "a-b-c", "rename"),
    ),
    Wrong(
        "a name with a blank",
        '[sources."a b"]\nvendor = "nemo"\nbase_url = "https://x"',
        ('"a b"', "name", "letters"),
    ),
    Wrong("a name that begins with a dot", NEMO.replace("nemo]", '".nemo"]', 1), (".nemo", "letters")),
    Wrong(
        "a vendor without an adapter",
        at("https://x.example", "datadog"),
        ("sources.x.vendor", "'datadog'", "langsmith, meibel, mlflow, nemo"),
    ),
    Wrong("lists in lists without end", f"x = {'[' * 3000}{']' * 3000}", ("too deep",)),
]

SECRETS = [
    Wrong("a literal secret", keyed(SECRET), ("sources.langsmith.api_key", "env:NAME")),
    Wrong("a secret that is not set", keyed("env:NOWHERE"), ("sources.langsmith.api_key", "NOWHERE", "export")),
    Wrong("a secret reference without a name", keyed("env:"), ("sources.langsmith.api_key", "env:NAME")),
    Wrong("a number for a secret", LANGSMITH + "api_key = 5", ("sources.langsmith.api_key", "env:NAME")),
    Wrong("a list for a secret", LANGSMITH + "api_key = ['env:A']", ("sources.langsmith.api_key", "env:NAME")),
    Wrong(
        "a missing secret file",
        keyed("file:/nowhere/key"),
        ("sources.langsmith.api_key", "/nowhere/key", "create"),
    ),
    Wrong(
        "an empty secret",
        keyed("env:EMPTY"),
        ("sources.langsmith.api_key", "env:EMPTY", "store the secret there"),
        environment={"EMPTY": ""},
    ),
    Wrong(
        "a blank secret",
        keyed("env:BLANK"),
        ("sources.langsmith.api_key", "env:BLANK", "blank"),
        environment={"BLANK": " \t "},
    ),
    Wrong(
        "a secret in quotes",
        keyed("env:QUOTED"),
        ("sources.langsmith.api_key", "env:QUOTED", "quotes"),
        environment={"QUOTED": f'"{SECRET}"'},
    ),
    Wrong(
        "a secret with a quote at its end",
        keyed("env:QUOTED"),
        ("sources.langsmith.api_key", "quotes"),
        environment={"QUOTED": f"{SECRET}'"},
    ),
    Wrong(
        "a secret with a line break in it",
        keyed("env:BROKEN"),
        ("sources.langsmith.api_key", "env:BROKEN", "header"),
        environment={"BROKEN": f"{SECRET}\r\nX-Evil: 1"},
    ),
    Wrong(
        "a secret that is not ASCII",
        keyed("env:ODD"),
        ("sources.langsmith.api_key", "header"),
        environment={"ODD": f"{SECRET}ü"},
    ),
    Wrong(
        "an empty secret file",
        keyed("file:key"),
        ("sources.langsmith.api_key", "key", "store the secret there"),
        files={"key": b""},
    ),
    Wrong(
        "a blank secret file",
        keyed("file:key"),
        ("sources.langsmith.api_key", "blank"),
        files={"key": b" \n\n"},
    ),
    Wrong(
        "a secret file in quotes",
        keyed("file:key"),
        ("sources.langsmith.api_key", "quotes"),
        files={"key": f"'{SECRET}'\n".encode()},
    ),
    Wrong(
        "a secret file that is not text",
        keyed("file:key"),
        ("sources.langsmith.api_key", "text"),
        files={"key": b"\xff\xfe"},
    ),
    Wrong(
        "a secret file that is too large",
        keyed("file:key"),
        ("sources.langsmith.api_key", "only the secret"),
        files={"key": b"a" * 70_000},
    ),
    Wrong("a folder for a secret", keyed("file:."), ("sources.langsmith.api_key", "cannot be read")),
    Wrong(
        "two keys for one source",
        keyed("env:LANGSMITH_API_KEY") + '\npass_through = "x-key"',
        ("sources.langsmith.api_key", "pass_through"),
    ),
    Wrong(
        "an invalid pass-through header",
        NEMO + 'pass_through = "authorization"',
        ("sources.nemo.pass_through", "x-"),
    ),
    Wrong("a literal cache secret", f'[cache]\nsecret = "{SECRET}"\n' + NEMO, ("cache.secret", "env:NAME")),
]

ADDRESSES = [
    Wrong("a key over plain HTTP", at("http://nemo.example"), ("sources.x.base_url", "https", "allow_http")),
    Wrong("a base URL that is not a URL", at("nemo"), ("sources.x.base_url", "URL")),
    Wrong("an empty URL", at(""), ("sources.x.base_url", "URL")),
    Wrong("another protocol", at("ftp://x"), ("sources.x.base_url", "http")),
    Wrong("a password in the URL", at(f"https://u:{SECRET}@x.example"), ("sources.x.base_url", "password")),
    Wrong("a key in the URL", at(f"https://x.example?key={SECRET}"), ("sources.x.base_url", "query")),
    Wrong("an empty query in the URL", at("https://x.example/?"), ("sources.x.base_url", "query")),
    Wrong("a port beyond the highest", at("https://x.example:99999"), ("sources.x.base_url", "port")),
    Wrong("port zero", at("https://x.example:0"), ("sources.x.base_url", "port")),
    Wrong("a port of letters", at("https://x.example:port"), ("sources.x.base_url", "port")),
    Wrong("a port without a number", at("https://x.example:/"), ("sources.x.base_url", "port")),
    Wrong("half an IPv6 address", at("https://[::1"), ("sources.x.base_url", "host")),
    Wrong("a host with a blank", at("https://x example"), ("sources.x.base_url", "URL with a host")),
    Wrong("an unexpanded variable in the URL", at("https://${HOST}/"), ("sources.x.base_url", "URL with a host")),
    Wrong("a scheme twice", at("https://https://x.example"), ("sources.x.base_url", "port")),
    Wrong(
        "a number for a URL",
        '[sources.x]\nvendor = "nemo"\nbase_url = 5',
        ("sources.x.base_url", "a string is expected"),
    ),
    Wrong(
        "NeMo's address with a workspace",
        at("https://x.example/apis/intake/v2/workspaces/a"),
        ("sources.x.base_url", "workspace"),
    ),
    Wrong(
        "LangSmith's web pages",
        at("https://eu.smith.langchain.com", "langsmith", 'api_key = "env:LANGSMITH_API_KEY"'),
        ("sources.x.base_url", "https://eu.api.smith.langchain.com"),
    ),
    Wrong(
        "an older version of Meibel",
        at("https://api.meibel.ai/v1", "meibel", 'api_key = "env:LANGSMITH_API_KEY"'),
        ("sources.x.base_url", "/v2"),
    ),
    Wrong("a workspace of two", NEMO + 'workspace = "a/b"', ("sources.nemo.workspace", "slash")),
    Wrong(
        "an odd tenant",
        keyed("env:LANGSMITH_API_KEY") + '\ntenant_id = "a b"',
        ("sources.langsmith.tenant_id", "pattern"),
    ),
    Wrong(
        "a missing CA file",
        NEMO + 'ca_file = "ca.pem"',
        ("sources.nemo.ca_file", "ca.pem", "cannot be read"),
    ),
    Wrong(
        "a CA file without certificates",
        NEMO + 'ca_file = "ca.pem"',
        ("sources.nemo.ca_file", "no certificate", "PEM"),
        files={"ca.pem": b"hello"},
    ),
    Wrong(
        "a missing client certificate",
        NEMO + 'client_certificate = "client.pem"',
        ("sources.nemo.client_certificate", "client.pem", "cannot be read"),
    ),
    Wrong(
        "a client certificate that is none",
        NEMO + 'client_certificate = "client.pem"\nclient_key = "client.pem"',
        ("sources.nemo.client_certificate", "PEM", "unencrypted"),
        files={"client.pem": b"hello"},
    ),
    Wrong(
        "a client's key without its certificate",
        NEMO + 'client_key = "client.key"',
        ("sources.nemo.client_key", "client_certificate is not set"),
    ),
    Wrong(
        "a proxy with a password in the file",
        NEMO + f'proxy = "http://gateway:{SECRET}@proxy.example:3128"',
        ("sources.nemo.proxy", "must be a reference"),
    ),
    Wrong(
        "a proxy of another kind",
        NEMO + 'proxy = "socks5://proxy.example:1080"',
        ("sources.nemo.proxy", "http(s) URL of a proxy"),
    ),
    Wrong("a proxy without a scheme", NEMO + 'proxy = "proxy.example:3128"', ("sources.nemo.proxy", "http://")),
    Wrong("a proxy with a path", NEMO + 'proxy = "http://proxy.example/path"', ("sources.nemo.proxy", "path")),
    Wrong("a proxy that is a number", NEMO + "proxy = 3128", ("sources.nemo.proxy", "http://proxy.example:3128")),
    Wrong(
        "a proxy by a reference to nothing",
        NEMO + 'proxy = "env:NO_SUCH_PROXY"',
        ("sources.nemo.proxy", "NO_SUCH_PROXY is not set"),
    ),
    Wrong(
        "a proxy of the environment that cannot be used",
        NEMO + "trust_env = true",
        ("sources.nemo.trust_env", "http(s) URL of a proxy"),
        environment={"HTTPS_PROXY": f"socks5://gateway:{SECRET}@proxy.example", "NO_PROXY": "", "no_proxy": ""},
    ),
    Wrong("an unknown transport", NEMO + 'transport = "curl"', ("sources.nemo.transport", "pooled", "httpx")),
    Wrong(
        "a host that is no name",
        at("https://†.example"),
        ("sources.x.base_url",),
    ),
    Wrong("an empty path of the CA file", NEMO + 'ca_file = ""', ("sources.nemo.ca_file",)),
    Wrong(
        "a missing SSL_CERT_FILE",
        NEMO,
        ("SSL_CERT_FILE", "/nowhere.pem"),
        environment={"SSL_CERT_FILE": "/nowhere.pem"},
    ),
    Wrong(
        "a missing SSL_CERT_DIR",
        NEMO,
        ("SSL_CERT_DIR", "/nowhere"),
        environment={"SSL_CERT_DIR": "/nowhere"},
    ),
]

NUMBERS = [
    Wrong("a port too high", "[server]\nport = 70000\n" + NEMO, ("server.port", "65535 or less")),
    Wrong(
        "a port of letters for the gateway",
        '[server]\nport = "web"\n' + NEMO,
        ("server.port", "a whole number is expected"),
    ),
    Wrong("half a port", "[server]\nport = 80.5\n" + NEMO, ("server.port", "a whole number is expected")),
    Wrong("a port that is true", "[server]\nport = true\n" + NEMO, ("server.port", "a number is expected")),
    Wrong(
        "a date for a port", "[server]\nport = 2026-01-01\n" + NEMO, ("server.port", "a whole number is expected")
    ),
    Wrong(
        "a word for a boolean", '[server]\nplayground = "perhaps"\n' + NEMO, ("server.playground", "true or false")
    ),
    Wrong("a deadline of zero", "[limits]\ndeadline_s = 0\n" + NEMO, ("limits.deadline_s", "above 0")),
    Wrong("an infinite deadline", "[limits]\ndeadline_s = inf\n" + NEMO, ("limits.deadline_s", "finite")),
    Wrong(
        "a deadline that is not a number", "[limits]\ndeadline_s = nan\n" + NEMO, ("limits.deadline_s", "finite")
    ),
    Wrong("an infinite time to live", "[cache]\nttl_s = inf\n" + NEMO, ("cache.ttl_s", "finite")),
    Wrong("an infinite time-out", NEMO + "timeout_s = inf", ("sources.nemo.timeout_s", "finite")),
    Wrong("a time-out of true", NEMO + "timeout_s = true", ("sources.nemo.timeout_s", "a number is expected")),
    Wrong(
        "a time-out with its unit", NEMO + 'timeout_s = "5s"', ("sources.nemo.timeout_s", "a number is expected")
    ),
    Wrong(
        "a time-out as long as the deadline",
        NEMO + "timeout_s = 10",
        ("sources.nemo.timeout_s", "limits.deadline_s", "lower"),
    ),
    Wrong(
        "a time-out beyond the deadline",
        "[limits]\ndeadline_s = 5\n" + NEMO + "timeout_s = 6",
        ("sources.nemo.timeout_s", "limits.deadline_s (5)"),
    ),
    Wrong(
        "a first page larger than the largest",
        "[limits]\nmax_first = 10\n" + NEMO,
        ("limits.default_first", "max_first", "lower"),
    ),
    Wrong("no entries", "[cache]\nmax_entries = 0\n" + NEMO, ("cache.max_entries", "1 or more")),
    Wrong(
        "a cache larger than the machine",
        "[cache]\nmax_mb = 1000000000\n" + NEMO,
        ("cache.max_mb", "memory of this machine", "lower"),
    ),
    Wrong(
        "documents larger than the machine",
        "[documents]\nautomatic_mb = 1000000000\n" + NEMO,
        ("documents.automatic_mb", "memory of this machine"),
    ),
    Wrong(
        "a body larger than the machine",
        f"[limits]\nmax_body_bytes = {10**16}\n" + NEMO,
        ("limits.max_body_bytes", "memory of this machine"),
    ),
    Wrong(
        "a response larger than the machine",
        NEMO + f"max_response_bytes = {10**16}",
        ("sources.nemo.max_response_bytes", "memory of this machine"),
    ),
    Wrong(
        "connections beyond the machine",
        NEMO + f"max_connections = {10**9}",
        ("sources.nemo.max_connections", "10000 or less"),
    ),
    Wrong(
        "pages without end", f"[limits]\nscan_pages = {10**30}\n" + NEMO, ("limits.scan_pages", "1000000 or less")
    ),
    Wrong(
        "a time to live below zero",
        NEMO + "ttl_by_kind = { sessions = -1 }",
        ("sources.nemo.ttl_by_kind.sessions", "0 or more"),
    ),
    Wrong(
        "a time to live of an unknown kind",
        NEMO + "[sources.nemo.ttl_by_kind]\nruns = 1",
        ("sources.nemo.ttl_by_kind", "'runs'", "experiments, metrics, service, sessions"),
    ),
    Wrong(
        "a share above one",
        NEMO + "[sources.nemo.breaker]\nfailure_rate = 2",
        ("sources.nemo.breaker.failure_rate", "1 or less"),
    ),
    Wrong("no attempt", NEMO + "[sources.nemo.retry]\nattempts = 0", ("sources.nemo.retry.attempts", "1 or more")),
    Wrong(
        "a rate of an unknown kind of call",
        NEMO + "[sources.nemo.limits.rates]\nruns = {calls = 1, per_s = 1}",
        ("sources.nemo.limits.rates", "'runs'", "experiments, metrics, service, sessions"),
    ),
    Wrong(
        "a rate of zero calls",
        NEMO + "[sources.nemo.limits.rates]\nsessions = {calls = 0, per_s = 1}",
        ("sources.nemo.limits.rates.sessions.calls", "1 or more"),
    ),
    Wrong(
        "a rate of a word",
        NEMO + '[sources.nemo.limits.rates]\nsessions = "none"',
        ("sources.nemo.limits.rates.sessions",),
    ),
]

TABLES = [
    Wrong("a host with its port", '[server]\nhost = "127.0.0.1:80"\n' + NEMO, ("server.host", "without a port")),
    Wrong(
        "one site for a list",
        '[server]\ncors_origins = "https://a.example"\n' + NEMO,
        ("server.cors_origins", 'a list is expected, such as ["'),
    ),
    Wrong("every site", '[server]\ncors_origins = ["*"]\n' + NEMO, ("server.cors_origins", "https://app.example")),
    Wrong(
        "a site with a path",
        '[server]\ncors_origins = ["https://a.example/x"]\n' + NEMO,
        ("server.cors_origins", "without a path"),
    ),
    Wrong(
        "a site with a password",
        f'[server]\ncors_origins = ["https://u:{SECRET}@a.example"]\n' + NEMO,
        ("server.cors_origins", "entry 1"),
    ),
    Wrong(
        "a site with an odd port",
        '[server]\ncors_origins = ["https://a.example:99999"]\n' + NEMO,
        ("server.cors_origins", "entry 1", "port"),
    ),
    Wrong(
        "a host that is a URL",
        '[server]\nallowed_hosts = ["https://a.example"]\n' + NEMO,
        ("server.allowed_hosts", "traces.example"),
    ),
    Wrong("an unknown level", '[log]\nlevel = "loud"\n' + NEMO, ("log.level", "'debug', 'info'")),
    Wrong("an unknown cache", '[cache]\nurl = "disk://x"\n' + NEMO, ("cache.url", "memory://")),
    Wrong("a Redis nowhere", '[cache]\nurl = "redis://"\n' + NEMO, ("cache.url", "redis://host")),
    Wrong("a Redis by name", '[cache]\nurl = "redis://h/cache"\n' + NEMO, ("cache.url", "number of a")),
    Wrong(
        "a Redis at an odd port", '[cache]\nurl = "redis://h:99999/0"\n' + NEMO, ("cache.url", "redis://host:port")
    ),
    Wrong(
        "a password in the cache's URL",
        f'[cache]\nurl = "redis://:{SECRET}@h/0"\n' + NEMO,
        ("cache.url", "password", "env:NAME"),
    ),
    Wrong(
        "a Redis password without Redis",
        '[cache]\npassword = "env:LANGSMITH_API_KEY"\n' + NEMO,
        ("cache.password", "cache.url"),
    ),
    Wrong("a cache's key, misspelt", "[cache]\nsize = 5\n" + NEMO, ("cache.size", "max_mb", "stale_s")),
    Wrong(
        "a collector that is not a URL",
        '[tracing]\nendpoint = "localhost:4318"\n' + NEMO,
        ("tracing.endpoint", "http://localhost:4318"),
    ),
    Wrong(
        "an empty collector",
        '[tracing]\nendpoint = ""\n' + NEMO,
        ("tracing.endpoint", "http://localhost:4318"),
    ),
    Wrong(
        "a collector with a password",
        f'[tracing]\nendpoint = "http://u:{SECRET}@h:4318"\n' + NEMO,
        ("tracing.endpoint", "OTEL_EXPORTER_OTLP_HEADERS"),
    ),
    Wrong(
        "a share of traces above one",
        "[tracing]\nsample_ratio = 50\n" + NEMO,
        ("tracing.sample_ratio", "1 or less"),
    ),
    Wrong(
        "only trusted documents without a manifest",
        "[documents]\nonly_trusted = true\n" + NEMO,
        ("documents.only_trusted", "trusted"),
    ),
    Wrong(
        "missing trusted documents",
        '[documents]\ntrusted = "operations.json"\n' + NEMO,
        ("documents.trusted", "operations.json"),
    ),
    Wrong(
        "trusted documents without a name", '[documents]\ntrusted = ""\n' + NEMO, ("documents.trusted", "empty")
    ),
    Wrong(
        "trusted documents that are not JSON",
        '[documents]\ntrusted = "operations.json"\n' + NEMO,
        ("documents.trusted",),
        files={"operations.json": b"{"},
    ),
    Wrong(
        "a hash of three letters",
        "[auth.keys.a]\nsha256 = 'abc'\n" + NEMO,
        ("auth.keys.a.sha256", "64 hexadecimal digits", "tracegraph key new"),
    ),
    Wrong(
        "a key without its hash", "[auth.keys.a]\nsources = ['nemo']\n" + NEMO, ("auth.keys.a.sha256", "missing")
    ),
    Wrong(
        "one hash for two holders",
        f"[auth.keys.a]\nsha256 = '{HASH}'\n[auth.keys.b]\nsha256 = '{HASH}'\n" + NEMO,
        ("auth.keys", "a and b", "own key"),
    ),
    Wrong(
        "a key for an unknown source",
        f"[auth.keys.a]\nsha256 = '{HASH}'\nsources = ['other']\n" + NEMO,
        ("auth.keys.a.sources", "'other'", "the sources are nemo"),
    ),
    Wrong(
        "a request quota without authentication",
        "[auth]\nrequests_per_minute = 5\n" + NEMO,
        ("auth.requests_per_minute", "tracegraph key new"),
    ),
    Wrong(
        "a cost quota without authentication",
        "[auth]\ncost_per_minute = 5\n" + NEMO,
        ("auth.cost_per_minute", "remove it"),
    ),
    Wrong(
        "a missing file of keys",
        JWT + 'jwks = "file:keys.json"\n' + NEMO,
        ("auth.jwt.jwks", "keys.json"),
    ),
    Wrong(
        "a file without keys",
        JWT + 'jwks = "file:keys.json"\n' + NEMO,
        ("auth.jwt.jwks", "JWK set"),
        files={"keys.json": b"{}"},
    ),
    Wrong(
        "keys over plain HTTP", JWT + 'jwks = "http://login.example/keys"\n' + NEMO, ("auth.jwt.jwks", "https://")
    ),
    Wrong(
        "keys at an odd port",
        JWT + 'jwks = "https://login.example:99999/keys"\n' + NEMO,
        ("auth.jwt.jwks", "port"),
    ),
    Wrong(
        "an empty issuer",
        JWT.replace("https://login.example", "") + 'jwks = "https://login.example"\n' + NEMO,
        ("auth.jwt.issuer", "empty"),
    ),
    Wrong(
        "a signature with a shared secret",
        JWT + 'jwks = "https://login.example"\nalgorithms = ["HS256"]\n' + NEMO,
        ("auth.jwt.algorithms.0", "'RS256'"),
    ),
    Wrong(
        "no signature",
        JWT + 'jwks = "https://login.example"\nalgorithms = []\n' + NEMO,
        ("auth.jwt.algorithms", "at least one"),
    ),
]

ENVIRONMENT = [
    Wrong(
        "a wrong value in the environment",
        NEMO,
        ("server.port", "TRACEGRAPH_SERVER__PORT", "whole number"),
        environment={"TRACEGRAPH_SERVER__PORT": "many"},
    ),
    Wrong(
        "a text for a table",
        NEMO,
        ("cache", "TRACEGRAPH_CACHE", "a table is expected"),
        environment={"TRACEGRAPH_CACHE": "off"},
    ),
    Wrong(
        "an unknown table in the environment",
        NEMO,
        ("TRACEGRAPH_SERVR__PORT", "servr", "two underscores"),
        environment={"TRACEGRAPH_SERVR__PORT": "1"},
    ),
    Wrong(
        "an unknown key in the environment",
        NEMO,
        ("server.prot", "TRACEGRAPH_SERVER__PROT"),
        environment={"TRACEGRAPH_SERVER__PROT": "1"},
    ),
    Wrong(
        "an invalid origin in the environment",
        NEMO,
        ("server.cors_origins", "TRACEGRAPH_SERVER__CORS_ORIGINS", "entry 2"),
        environment={"TRACEGRAPH_SERVER__CORS_ORIGINS": "https://a,b"},
    ),
    Wrong(
        "a list that is not JSON",
        NEMO,
        ("server.cors_origins", "entry 1"),
        environment={"TRACEGRAPH_SERVER__CORS_ORIGINS": '["https://a'},
    ),
    Wrong(
        "two sources of one JSON",
        "",
        ("sources.A_B", "sources.a-b"),
        environment={"TRACEGRAPH_SOURCES": TWO_IN_JSON},
    ),
    Wrong(
        "an ambiguous variable",
        f"[auth.keys.a-b]\nsha256 = '{HASH}'\n[auth.keys.A-B]\nsha256 = '{'1' * 64}'\n" + NEMO,
        ("TRACEGRAPH_AUTH__KEYS__A_B__SHA256", "a-b or A-B", "rename"),
        environment={"TRACEGRAPH_AUTH__KEYS__A_B__SHA256": "2" * 64},
    ),
    Wrong(
        "a literal secret in a variable",
        LANGSMITH,
        ("sources.langsmith.api_key", "env:NAME"),
        environment={"TRACEGRAPH_SOURCES__LANGSMITH__API_KEY": SECRET},
    ),
]

MORE = [
    Wrong(
        "a source whose name is in capitals",
        NEMO.replace("nemo]", "Prod]", 1) + "timeout_s = 0\n",
        ("sources.Prod.timeout_s cannot", "above 0"),
    ),
    Wrong(
        "a key that lacks one of a rate's two values",
        NEMO + '[sources.nemo.limits.rates]\n"*" = { calls = 1 }\n',
        ("sources.nemo.limits.rates.*.per_s is missing",),
    ),
    Wrong("a name of dots", NEMO.replace("nemo]", '".."]', 1), ("sources... cannot", "rename")),
    Wrong("keys in keys without end", f"a{'.a' * 3000} = 1\n{NEMO}", ("too deep", "flatten")),
    Wrong("a number without end", f"[limits]\nmax_cost = {'9' * 5000}\n{NEMO}", ("digits", "smaller")),
    Wrong(
        "lists without end in the environment",
        NEMO,
        ("server.cors_origins", "set by TRACEGRAPH_SERVER__CORS_ORIGINS"),
        environment={"TRACEGRAPH_SERVER__CORS_ORIGINS": "[" * 50_000},
    ),
    Wrong(
        "a literal secret in the environment",
        LANGSMITH,
        ("sources.langsmith.api_key (set by TRACEGRAPH_SOURCES__LANGSMITH__API_KEY)", "env:NAME"),
        environment={"TRACEGRAPH_SOURCES__LANGSMITH__API_KEY": SECRET},
    ),
    Wrong(
        "a secret with the header's scheme",
        keyed("env:COPIED"),
        ("sources.langsmith.api_key", "env:COPIED", "scheme", "remove the scheme"),
        environment={"COPIED": f"Bearer {SECRET}"},
    ),
    Wrong(
        "missing documents that the environment names",
        NEMO,
        ("documents.trusted (set by TRACEGRAPH_DOCUMENTS__TRUSTED)", "nowhere.json"),
        environment={"TRACEGRAPH_DOCUMENTS__TRUSTED": "nowhere.json"},
    ),
    Wrong(
        "a size in the environment",
        NEMO,
        ("cache.max_mb (set by TRACEGRAPH_CACHE__MAX_MB)", "memory"),
        environment={"TRACEGRAPH_CACHE__MAX_MB": "999999999"},
    ),
    Wrong(
        "an unknown source of a key in the environment",
        f'[auth.keys.a]\nsha256 = "{HASH}"\n{NEMO}',
        ("auth.keys.a.sources (set by TRACEGRAPH_AUTH__KEYS__A__SOURCES)", "'lang'", "nemo"),
        environment={"TRACEGRAPH_AUTH__KEYS__A__SOURCES": "lang"},
    ),
    *(
        Wrong(
            f"the origin {site}, which no browser sends",
            f'[server]\ncors_origins = ["{site}"]\n{NEMO}',
            ("server.cors_origins", "entry 1", "as browsers do"),
        )
        for site in ("https://App.example", "https://a.example:443", "http://a.example:80", "https://ä.example")
    ),
    *(
        Wrong(
            f"the host {host}, which is not a name",
            f'[server]\nallowed_hosts = ["{host}"]\n{NEMO}',
            ("server.allowed_hosts", f"'{host}'", '"traces.example"'),
        )
        for host in (".example", "a..example", "-a.example", "*.example")
    ),
]

WRONG = [*FILES_AND_NAMES, *SECRETS, *ADDRESSES, *NUMBERS, *TABLES, *ENVIRONMENT, *MORE]
