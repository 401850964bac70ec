"""Settings: what the environment says, checked once at the start.

Owns the names, defaults and rules of every variable. Must not read the environment by
itself (it is passed in) nor know what a setting is used for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from llm_proxy.settings import event_fields, rules
from llm_proxy.settings.chaos import Chaos
from llm_proxy.settings.event_fields import EventFields
from llm_proxy.settings.reading import SettingsError as SettingsError
from llm_proxy.settings.reading import fields_of, nearest, setting, values_of
from llm_proxy.settings.task_patterns import TaskPattern, task_patterns
from llm_proxy.settings.upstreams import upstream_tables

CONFIG = "STREAM_CONFIG"

TokenizerName = Literal["chars", "o200k", "cl100k"]
ProfileName = Literal["", "auto", "instant", "fast", "standard", "large", "reasoning", "local"]


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What both halves share."""

    host: str = setting("HOST", "127.0.0.1", rules.text)
    port: int = setting("PORT", 8888, rules.integer(0, 65535))
    v1: Literal["mock", "adapter"] = setting(
        "LLM_PROXY_V1", "mock", rules.one_of("mock", "adapter")
    )
    api_keys: tuple[str, ...] = setting("LLM_PROXY_API_KEYS", (), rules.keys)
    api_keys_file: str = setting("LLM_PROXY_API_KEYS_FILE", "", rules.keys_file)
    cors_origins: tuple[str, ...] = setting("LLM_PROXY_CORS_ORIGINS", (), rules.origins)
    keepalive_seconds: float = setting("LLM_PROXY_KEEPALIVE_SECONDS", 15.0, rules.number(0))
    max_body_bytes: int = setting("LLM_PROXY_MAX_BODY_BYTES", 32 * 1024 * 1024, rules.integer(1))
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "LLM_PROXY_LOG_LEVEL", "info", rules.one_of("debug", "info", "warning", "error")
    )
    log_format: Literal["text", "json"] = setting(
        "LLM_PROXY_LOG_FORMAT", "text", rules.one_of("text", "json")
    )
    journal: str = setting("LLM_PROXY_JOURNAL", "", rules.journal)
    journal_max: int = setting("LLM_PROXY_JOURNAL_MAX", 1000, rules.integer(1))
    journal_redacted: bool = setting("LLM_PROXY_JOURNAL_REDACTED", True, rules.boolean)

    @property
    def asks_for_keys(self) -> bool:
        """Whether a request has to bring a key, so that its Authorization is for us alone.

        A file asks for keys even while it holds none.
        """
        return bool(self.api_keys or self.api_keys_file)


@dataclass(frozen=True, kw_only=True)
class MockSettings:
    """What the mock answers, and how fast."""

    reply: Literal["canned", "echo", "none"] = setting(
        "MOCK_REPLY", "canned", rules.one_of("canned", "echo", "none")
    )
    fixtures: str = setting("MOCK_FIXTURES", "", rules.text)
    models: tuple[str, ...] = setting(
        "MOCK_MODELS",
        ("gpt-3.5-turbo", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small"),
        rules.words,
    )
    profile: ProfileName = setting(
        "MOCK_PROFILE", "", rules.one_of(*filter(None, get_args(ProfileName)))
    )
    ttft_ms: float = setting("MOCK_TTFT_MS", 0.0, rules.number(0))
    tokens_per_second: float = setting("MOCK_TOKENS_PER_SECOND", 0.0, rules.number(0))
    jitter: float = setting("MOCK_JITTER", 0.0, rules.number(0, 1))
    seed: int = setting("MOCK_SEED", 0, rules.integer())
    tokenizer: TokenizerName = setting("MOCK_TOKENIZER", "chars", rules.tokenizer)
    requests_per_minute: int = setting("MOCK_REQUESTS_PER_MINUTE", 0, rules.integer(0, 10**9))
    tokens_per_minute: int = setting("MOCK_TOKENS_PER_MINUTE", 0, rules.integer(0, 10**9))
    strict: bool = setting("MOCK_STRICT", False, rules.boolean)
    chaos: Chaos = setting("MOCK_CHAOS", Chaos(), rules.json_object(Chaos, '{"dropRate": 0.1}'))
    record_url: str = setting("MOCK_RECORD", "", rules.http_url)
    record_key: str = setting("MOCK_RECORD_KEY", "", rules.header_value)
    record_timeout_seconds: float = setting("MOCK_RECORD_TIMEOUT", 600.0, rules.number(0.001))
    replay_speed: float = setting("MOCK_REPLAY_SPEED", 1.0, rules.number(0))


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """Where the legacy search API is, and how it is read."""

    url: str = setting(
        "STREAM_URL",
        "http://127.0.0.1:8000/stream?topNDocuments=3&sessionID=12345",
        rules.http_url,
        own=True,
    )
    model: str = setting("STREAM_MODEL", "legacy-search", rules.text, own=True)
    query_param: str = setting("STREAM_QUERY_PARAM", "search_query", rules.text)
    word_separator: str = setting("STREAM_WORD_SEPARATOR", " ", rules.text, empty=True)
    citation_url: str = setting("STREAM_CITATION_URL", "", rules.url_template("{id}"))
    connect_timeout_seconds: float = setting("STREAM_CONNECT_TIMEOUT", 5.0, rules.number(0.001))
    idle_timeout_seconds: float = setting("STREAM_IDLE_TIMEOUT", 60.0, rules.number(0.001))
    total_timeout_seconds: float = setting("STREAM_TOTAL_TIMEOUT", 600.0, rules.number(0.001))
    bearer_token: str = setting("STREAM_BEARER_TOKEN", "", rules.header_value, own=True)
    cookie: str = setting("STREAM_COOKIE", "", rules.header_value, own=True)
    headers: tuple[tuple[str, str], ...] = setting("STREAM_HEADERS", (), rules.headers, own=True)
    forward_authorization: bool = setting(
        "STREAM_FORWARD_AUTHORIZATION", False, rules.boolean, own=True
    )
    login_url: str = setting("STREAM_LOGIN_URL", "", rules.http_url, own=True)
    login_method: Literal["POST", "PUT", "GET"] = setting(
        "STREAM_LOGIN_METHOD", "POST", rules.one_of("POST", "PUT", "GET"), own=True
    )
    login_body: str = setting("STREAM_LOGIN_BODY", "", rules.login_body, own=True)
    login_path: str = setting("STREAM_LOGIN_TOKEN", "cookie", rules.text, own=True)
    ca_file: str = setting("STREAM_CA_FILE", "", rules.ca_file)
    max_calls: int = setting("STREAM_MAX_CALLS", 256, rules.integer(0))
    queue_timeout_seconds: float = setting("STREAM_QUEUE_TIMEOUT", 10.0, rules.number(0))
    breaker_failures: int = setting("STREAM_BREAKER_FAILURES", 10, rules.integer(0))
    breaker_seconds: float = setting("STREAM_BREAKER_SECONDS", 10.0, rules.number(0.001))
    max_event_bytes: int = setting("STREAM_MAX_EVENT_BYTES", 1024 * 1024, rules.integer(1))
    max_query_bytes: int = setting("STREAM_MAX_QUERY_BYTES", 3500, rules.integer(1))
    dialect: EventFields | None = setting("STREAM_DIALECT", None, event_fields.dialect)
    session_param: str = setting("STREAM_SESSION_PARAM", "sessionID", rules.text)
    session_from: tuple[str, ...] = setting("STREAM_SESSION_FROM", (), rules.session_sources)
    session_key: str = setting("STREAM_SESSION_KEY", "", rules.secret(16))
    local_tasks: bool = setting("STREAM_LOCAL_TASKS", True, rules.boolean)
    tasks: tuple[TaskPattern, ...] = setting("STREAM_TASKS", (), task_patterns)
    rating_url: str = setting("STREAM_RATING_URL", "", rules.http_url, own=True)
    config: str = setting(CONFIG, "", rules.text, own=True)


NAMES = tuple(
    name for group in (ServerSettings, MockSettings, AdapterSettings) for name in fields_of(group)
)
"""The variables that are read."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, checked.

    `upstreams` are those of the configuration file, in its order, or the one that the
    environment describes. There is at least one.
    """

    server: ServerSettings = ServerSettings()
    mock: MockSettings = MockSettings()
    upstreams: tuple[AdapterSettings, ...] = (AdapterSettings(),)

    @property
    def adapter(self) -> AdapterSettings:
        """The upstream that is asked where a request names none."""
        return self.upstreams[0]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown or logged; beside the keys of the file, which change."""
        known = [*self.server.api_keys, self.mock.record_key]
        for adapter in self.upstreams:
            known += (adapter.bearer_token, adapter.cookie, adapter.session_key)
            known += (value for _, value in adapter.headers)
            known += (adapter.login_body, *rules.login_values(adapter.login_body))
        return tuple(secret for secret in known if secret)


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read all settings from `environ`, and from the configuration file that it names.

    Raises:
        SettingsError: some are wrong; all of them are listed.
    """
    problems = _misspelt(environ, NAMES)
    server = ServerSettings(**values_of(ServerSettings, environ, problems))
    mock = MockSettings(**values_of(MockSettings, environ, problems))
    if environ.get(CONFIG):
        upstreams = _upstreams(environ[CONFIG], environ, problems)
    else:
        upstreams = (_adapter({}, environ, problems),)
    if server.asks_for_keys:
        problems += [
            "STREAM_FORWARD_AUTHORIZATION: the clients' Authorization is one of ours, as "
            f"LLM_PROXY_API_KEYS is set, and not for {one.model} to see; unset one of the two"
            for one in upstreams
            if one.forward_authorization
        ]
    problems += _contradictions(mock)
    if problems:
        raise SettingsError(problems)
    return Settings(server=server, mock=mock, upstreams=upstreams)


def _contradictions(mock: MockSettings) -> list[str]:
    """Problems with settings that are right by themselves, but not together."""
    if mock.record_url and (not mock.fixtures or Path(mock.fixtures).is_file()):
        seen = f"{mock.fixtures!r} is a file" if mock.fixtures else "it is not set"
        return [
            f"MOCK_FIXTURES: MOCK_RECORD writes fixtures into the folder that it names, but {seen}"
        ]
    return []


def _misspelt(environ: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """Problems with names that are no setting, but nearly one.

    Others are left alone: they may belong to somebody else, as those that Kubernetes sets
    for a service that is called like us.
    """
    problems = []
    for name in environ:
        ours = name.startswith(("LLM_PROXY_", "MOCK_", "STREAM_")) and name not in known
        if ours and not name.startswith(("LLM_PROXY_PORT", "LLM_PROXY_SERVICE_")):
            near = nearest(name, known, 0.81)
            if near is not None:
                problems.append(f"{name}: there is no such setting; is it {near}?")
    return problems


def _upstreams(
    path: str, environ: Mapping[str, str], problems: list[str]
) -> tuple[AdapterSettings, ...]:
    """The upstreams of the configuration file; what they share may be in the environment."""
    fields = {name: field for name, field in fields_of(AdapterSettings).items() if name != CONFIG}
    own = [name for name, field in fields.items() if field.metadata["own"]]
    problems += [
        f"{name}: where {CONFIG} is set, it belongs into that file, to one upstream"
        for name in own
        if environ.get(name)
    ]
    in_environ = {name: environ[name] for name in fields if name in environ and name not in own}
    shared = values_of(AdapterSettings, in_environ, problems)
    keys = {_key(name): name for name in fields}
    upstreams: dict[str, AdapterSettings] = {}
    for table, texts in upstream_tables(path, keys, environ, problems):
        where = f"{path}: [upstreams.{table}]"
        adapter = _adapter({"model": table, **shared}, texts, problems, where)
        if adapter.model in upstreams:
            problems.append(f"{where} model: {adapter.model!r} is that of another upstream, too")
        upstreams[adapter.model] = adapter
    return tuple(upstreams.values())


def _adapter(
    shared: Mapping[str, Any], texts: Mapping[str, str], problems: list[str], where: str = ""
) -> AdapterSettings:
    """The settings of one upstream: of a table, if `where` names one, else of the environment."""

    def shown(name: str) -> str:
        return f"{where} {_key(name)}" if where else name

    wrong: list[str] = []
    adapter = AdapterSettings(**{**shared, **values_of(AdapterSettings, texts, wrong, shown)})
    if where and not texts.get("STREAM_URL"):
        wrong.append(f"{shown('STREAM_URL')}: is missing")
    if adapter.session_from and not adapter.session_key and not wrong:
        wrong.append(
            f"{shown('STREAM_SESSION_KEY')}: is missing; sessions need one, any text of 16 or "
            "more characters that nobody else knows"
        )
    if adapter.login_url and adapter.forward_authorization:
        wrong.append(
            f"{shown('STREAM_FORWARD_AUTHORIZATION')}: with STREAM_LOGIN_URL the login is ours, "
            "not the clients'; unset one of the two"
        )
    problems += wrong
    return adapter


def _key(name: str) -> str:
    """The key of the configuration file for what a variable says in the environment."""
    return name.removeprefix("STREAM_").lower()
