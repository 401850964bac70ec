"""Settings from the environment."""

from pathlib import Path

import pytest

from llm_proxy.settings import (
    AdapterSettings,
    MockSettings,
    ServerSettings,
    SettingsError,
    from_env,
)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = from_env({})
    assert settings.server == ServerSettings()
    assert settings.mock == MockSettings()
    assert settings.adapter == AdapterSettings()


def test_values_are_read() -> None:
    settings = from_env(
        {
            "PORT": "0",
            "LLM_PROXY_V1": "adapter",
            "LLM_PROXY_API_KEYS": "one, two,,",
            "MOCK_JITTER": "0.5",
            "MOCK_SEED": "-7",
            "MOCK_STRICT": "Yes",
            "STREAM_HEADERS": '{"X-Team": "docs"}',
            "STREAM_CITATION_URL": "https://docs.example/{id}",
        }
    )
    assert settings.server == ServerSettings(port=0, v1="adapter", api_keys=("one", "two"))
    assert settings.mock == MockSettings(jitter=0.5, seed=-7, strict=True)
    assert settings.adapter == AdapterSettings(
        headers=(("X-Team", "docs"),), citation_url="https://docs.example/{id}"
    )


def test_an_empty_value_counts_as_not_set() -> None:
    """`docker run --env-file` passes `PORT=` on as an empty variable."""
    assert from_env({"PORT": "", "STREAM_BEARER_TOKEN": "", "MOCK_TTFT_MS": ""}) == from_env({})


def test_an_empty_word_separator_means_none() -> None:
    assert from_env({"STREAM_WORD_SEPARATOR": ""}).adapter.word_separator == ""


WRONG = {
    "LLM_PROXY_V1": ("adaptor", "'adaptor' is not one of mock, adapter"),
    "PORT": ("65536", "65536 is more than 65535"),
    "LLM_PROXY_KEEPALIVE_SECONDS": ("-1", "-1 is less than 0"),
    "LLM_PROXY_MAX_BODY_BYTES": ("1MB", "'1MB' is not a whole number"),
    "LLM_PROXY_LOG_LEVEL": ("INFO", "'INFO' is not one of debug, info, warning, error"),
    "MOCK_TOKENS_PER_SECOND": ("nan", "'nan' is not a number"),
    "MOCK_JITTER": ("1.5", "1.5 is more than 1"),
    "MOCK_RECORD": ("api.openai.com", "'api.openai.com' is not a URL like http://host:8000/path"),
    "MOCK_RECORD_KEY": ("a\nb", "the value holds characters that an HTTP header cannot carry"),
    "MOCK_REPLAY_SPEED": ("-2", "-2 is less than 0"),
    "MOCK_CHAOS": (
        '{"dropRate": 2}',
        """'{"dropRate": 2}' does not fit: Expected `float` <= 1.0 - at `$.dropRate`""",
    ),
    "LLM_PROXY_JOURNAL": ("no/such/x.db", "there is no folder 'no/such'"),
    "LLM_PROXY_JOURNAL_MAX": ("0", "0 is less than 1"),
    "MOCK_TOKENIZER": ("gpt2", "'gpt2' is not one of chars, o200k, cl100k"),
    "MOCK_STRICT": ("maybe", "'maybe' is not one of 1, true, yes, 0, false, no"),
    "STREAM_URL": (
        "ftp://ann:pw@host/x",
        "'ftp://***@host/x' is not a URL like http://host:8000/path",
    ),
    "STREAM_CITATION_URL": ("https://x/", "'https://x/' does not hold {id}"),
    "STREAM_CONNECT_TIMEOUT": ("0", "0 is less than 0.001"),
    "LLM_PROXY_API_KEYS": (
        "schlüssel",
        "a key may hold visible ASCII characters only, and no space",
    ),
    "STREAM_BEARER_TOKEN": ("a\nb", "the value holds characters that an HTTP header cannot carry"),
    "STREAM_HEADERS": ("[1]", 'the value is not a JSON object like {"X-Name": "value"}'),
}


@pytest.mark.parametrize(("name", "value", "problem"), [(n, *rest) for n, rest in WRONG.items()])
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({name: value})
    assert refused.value.problems == [f"{name}: {problem}"]


def test_all_wrong_values_are_listed_in_one_message() -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({name: value for name, (value, _) in WRONG.items()})
    listed = str(refused.value).splitlines()
    assert listed[0] == "These settings are wrong:"
    assert sorted(listed[1:]) == sorted(f"  {n}: {problem}" for n, (_, problem) in WRONG.items())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LLM_PROXY_API_KEY", "LLM_PROXY_API_KEYS"),
        ("MOCK_REPLIES", "MOCK_REPLY"),
        ("STREAM_BEARERTOKEN", "STREAM_BEARER_TOKEN"),
    ],
)
def test_a_name_that_is_nearly_a_setting_is_refused(name: str, meant: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({name: "x"})
    assert refused.value.problems == [f"{name}: there is no such setting; is it {meant}?"]


@pytest.mark.parametrize(
    "name", ["LLM_PROXY_PORT", "LLM_PROXY_PORT_8888_TCP", "LLM_PROXY_SERVICE_HOST", "STREAM_DECK"]
)
def test_a_name_that_belongs_to_somebody_else_is_left_alone(name: str) -> None:
    assert from_env({name: "tcp://10.0.0.1:8888"}) == from_env({})


@pytest.mark.parametrize("url", ["", "host", "http://", "http://host:port/", "http://[::1/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        from_env({"STREAM_URL": url or " "})


def test_a_header_that_cannot_be_sent_is_refused_without_its_value() -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({"STREAM_HEADERS": '{"X-Key": "secret\\u0000"}'})
    assert refused.value.problems == ["STREAM_HEADERS: the header 'X-Key' cannot be sent over HTTP"]


def test_secrets_are_known_by_value() -> None:
    settings = from_env(
        {
            "LLM_PROXY_API_KEYS": "k1,k2",
            "MOCK_RECORD_KEY": "r",
            "STREAM_BEARER_TOKEN": "b",
            "STREAM_COOKIE": "c=d",
            "STREAM_HEADERS": '{"X-Key": "h"}',
        }
    )
    assert settings.secrets == ("k1", "k2", "r", "b", "c=d", "h")


def test_recording_needs_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "fixtures.yaml"
    file.touch()
    told = "MOCK_FIXTURES: MOCK_RECORD writes fixtures into the folder that it names, but "
    for fixtures, seen in (("", "it is not set"), (str(file), f"{str(file)!r} is a file")):
        with pytest.raises(SettingsError) as refused:
            from_env({"MOCK_RECORD": "http://x/v1", "MOCK_FIXTURES": fixtures})
        assert refused.value.problems == [told + seen]


def test_the_folder_of_recordings_need_not_be_there_yet(tmp_path: Path) -> None:
    folder = str(tmp_path / "new")
    settings = from_env({"MOCK_RECORD": "http://x/v1", "MOCK_FIXTURES": folder})
    assert settings.mock == MockSettings(record_url="http://x/v1", fixtures=folder)
