"""Settings: what the environment says, checked once at the start.

Owns the names, defaults and rules of every variable. Must not read the environment by
itself (it is passed in) nor know what a setting is used for.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from llm_proxy import setting_rules as rules

Group = TypeVar("Group")


TokenizerName = Literal["chars", "o200k", "cl100k"]


class SettingsError(ValueError):
    """Some settings are wrong; the message lists all of them, one on a line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("These settings are wrong:\n" + "\n".join(f"  {p}" for p in problems))


def setting(
    name: str, default: object, rule: Callable[[str], object], *, empty: bool = False
) -> Any:
    """A dataclass field read from the variable `name`.

    An empty variable counts as not set, unless `empty` says that it means something.
    """
    metadata = {"name": name, "rule": rule, "empty": empty}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What both halves share."""

    host: str = setting("HOST", "127.0.0.1", rules.text)
    port: int = setting("PORT", 8888, rules.integer(0, 65535))
    v1: Literal["mock", "adapter"] = setting(
        "LLM_PROXY_V1", "mock", rules.one_of("mock", "adapter")
    )
    api_keys: tuple[str, ...] = setting("LLM_PROXY_API_KEYS", (), rules.keys)
    keepalive_seconds: float = setting("LLM_PROXY_KEEPALIVE_SECONDS", 15.0, rules.number(0))
    max_body_bytes: int = setting("LLM_PROXY_MAX_BODY_BYTES", 32 * 1024 * 1024, rules.integer(1))
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "LLM_PROXY_LOG_LEVEL", "info", rules.one_of("debug", "info", "warning", "error")
    )
    log_format: Literal["text", "json"] = setting(
        "LLM_PROXY_LOG_FORMAT", "text", rules.one_of("text", "json")
    )


@dataclass(frozen=True, kw_only=True)
class MockSettings:
    """What the mock answers, and how fast."""

    reply: Literal["canned", "echo"] = setting(
        "MOCK_REPLY", "canned", rules.one_of("canned", "echo")
    )
    models: tuple[str, ...] = setting(
        "MOCK_MODELS",
        ("gpt-3.5-turbo", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small"),
        rules.words,
    )
    ttft_ms: float = setting("MOCK_TTFT_MS", 0.0, rules.number(0))
    tokens_per_second: float = setting("MOCK_TOKENS_PER_SECOND", 0.0, rules.number(0))
    jitter: float = setting("MOCK_JITTER", 0.0, rules.number(0, 1))
    seed: int = setting("MOCK_SEED", 0, rules.integer())
    tokenizer: TokenizerName = setting("MOCK_TOKENIZER", "chars", rules.tokenizer)
    strict: bool = setting("MOCK_STRICT", False, rules.boolean)


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """Where the legacy search API is, and how it is read."""

    url: str = setting(
        "STREAM_URL",
        "http://127.0.0.1:8000/stream?topNDocuments=3&sessionID=12345",
        rules.http_url,
    )
    model: str = setting("STREAM_MODEL", "legacy-search", rules.text)
    query_param: str = setting("STREAM_QUERY_PARAM", "search_query", rules.text)
    word_separator: str = setting("STREAM_WORD_SEPARATOR", " ", rules.text, empty=True)
    citation_url: str = setting("STREAM_CITATION_URL", "", rules.url_template("{id}"))
    connect_timeout_seconds: float = setting("STREAM_CONNECT_TIMEOUT", 5.0, rules.number(0.001))
    idle_timeout_seconds: float = setting("STREAM_IDLE_TIMEOUT", 60.0, rules.number(0.001))
    total_timeout_seconds: float = setting("STREAM_TOTAL_TIMEOUT", 600.0, rules.number(0.001))
    bearer_token: str = setting("STREAM_BEARER_TOKEN", "", rules.header_value)
    cookie: str = setting("STREAM_COOKIE", "", rules.header_value)
    headers: tuple[tuple[str, str], ...] = setting("STREAM_HEADERS", (), rules.headers)
    forward_authorization: bool = setting("STREAM_FORWARD_AUTHORIZATION", False, rules.boolean)
    login_url: str = setting("STREAM_LOGIN_URL", "", rules.http_url)
    login_method: Literal["POST", "PUT", "GET"] = setting(
        "STREAM_LOGIN_METHOD", "POST", rules.one_of("POST", "PUT", "GET")
    )
    login_body: str = setting("STREAM_LOGIN_BODY", "", rules.login_body)
    login_path: str = setting("STREAM_LOGIN_TOKEN", "cookie", rules.text)
    ca_file: str = setting("STREAM_CA_FILE", "", rules.ca_file)
    max_calls: int = setting("STREAM_MAX_CALLS", 256, rules.integer(0))
    queue_timeout_seconds: float = setting("STREAM_QUEUE_TIMEOUT", 10.0, rules.number(0))
    breaker_failures: int = setting("STREAM_BREAKER_FAILURES", 10, rules.integer(0))
    breaker_seconds: float = setting("STREAM_BREAKER_SECONDS", 10.0, rules.number(0.001))
    max_event_bytes: int = setting("STREAM_MAX_EVENT_BYTES", 1024 * 1024, rules.integer(1))
    max_query_bytes: int = setting("STREAM_MAX_QUERY_BYTES", 3500, rules.integer(1))


NOT_BUILT_YET: Mapping[str, str] = {
    "LLM_PROXY_CORS_ORIGINS": "",
    "LLM_PROXY_JOURNAL": "off",
    "LLM_PROXY_JOURNAL_MAX": "",
    "MOCK_FIXTURES": "",
    "MOCK_RECORD": "",
    "STREAM_SESSION_PARAM": "sessionID",
    "STREAM_LOCAL_TASKS": "0",
}
"""Settings of later versions, and the one value of each that asks for nothing."""


NAMES = tuple(
    field.metadata["name"]
    for group in (ServerSettings, MockSettings, AdapterSettings)
    for field in dataclasses.fields(group)
)
"""The variables that are read."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, checked."""

    server: ServerSettings = ServerSettings()
    mock: MockSettings = MockSettings()
    adapter: AdapterSettings = AdapterSettings()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown or logged."""
        adapter = self.adapter
        known = (
            *self.server.api_keys,
            adapter.bearer_token,
            adapter.cookie,
            *(value for _, value in adapter.headers),
            adapter.login_body,
            *rules.login_values(adapter.login_body),
        )
        return tuple(secret for secret in known if secret)


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read all settings from `environ`.

    Raises:
        SettingsError: some are wrong; all of them are listed.
    """
    problems = [
        f"{name}: this version does not act on it yet; remove it"
        + (f" or set it to {neutral}" if neutral else "")
        for name, neutral in NOT_BUILT_YET.items()
        if environ.get(name, "") not in ("", neutral)
    ]
    problems += _misspelt(environ, [*NOT_BUILT_YET, *NAMES])
    settings = Settings(
        server=_read(ServerSettings, environ, problems),
        mock=_read(MockSettings, environ, problems),
        adapter=_read(AdapterSettings, environ, problems),
    )
    if settings.server.api_keys and settings.adapter.forward_authorization:
        problems.append(
            "STREAM_FORWARD_AUTHORIZATION: the clients' Authorization is one of "
            "LLM_PROXY_API_KEYS, which the upstream must not see; unset one of the two"
        )
    if settings.adapter.login_url and settings.adapter.forward_authorization:
        problems.append(
            "STREAM_FORWARD_AUTHORIZATION: with STREAM_LOGIN_URL the login is ours, not the "
            "clients'; unset one of the two"
        )
    if problems:
        raise SettingsError(problems)
    return settings


def _misspelt(environ: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """Problems with names that are no setting, but nearly one.

    Others are left alone: they may belong to somebody else, as those that Kubernetes sets
    for a service that is called like us.
    """
    problems = []
    for name in environ:
        ours = name.startswith(("LLM_PROXY_", "MOCK_", "STREAM_")) and name not in known
        if ours and not name.startswith(("LLM_PROXY_PORT", "LLM_PROXY_SERVICE_")):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            problems += [f"{name}: there is no such setting; is it {one}?" for one in near]
    return problems


def _read(group: Callable[..., Group], environ: Mapping[str, str], problems: list[str]) -> Group:
    """Read the fields of one group, adding what is wrong to `problems`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(group):  # type: ignore[arg-type]
        name, rule, empty = field.metadata["name"], field.metadata["rule"], field.metadata["empty"]
        raw = environ.get(name)
        if raw is None or (raw == "" and not empty):
            continue
        try:
            values[field.name] = rule(raw)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return group(**values)
