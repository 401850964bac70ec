"""What must not stand in the log."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.records.exchange import Exchange
from llm_proxy.records.logs import Redactor, configure
from llm_proxy.records.request_log import LOOKED_AT, teller
from llm_proxy.settings import ServerSettings
from llm_proxy.work import behind

BACKSLASHES = "\\" * 200_000


@pytest.mark.parametrize(
    "text",
    [
        *("A" * 200_000, "token" * 40_000, '\\"' * 60_000, "key=" * 40_000),
        *(f"token{BACKSLASHES}", f'token\\": {BACKSLASHES}"{BACKSLASHES}x{BACKSLASHES}'),
        *("tokens" * 40_000, "passwordold" * 20_000, "://" * 70_000, "://a:" * 50_000),
        *(
            "cookie:" * 30_000,
            "cookie=a;" * 20_000,
            "cookie=a=b;" * 20_000,
            "cookie:a=" + ",a=" * 50_000,
        ),
        *("authorization: a,b=" * 10_000, "authorization: a" + ", b=" * 50_000),
        *("password:[" * 20_000, 'password:["' * 20_000, "password: {value" * 12_000),
        *("secret" + " " * 200_000, "secret='" * 25_000, "://" + ":" * 200_000, ":" + BACKSLASHES),
    ],
)
def test_a_long_text_takes_no_longer_for_each_of_its_letters(text: str) -> None:
    """Were it to, this would not come back: it once held up the whole server."""
    redactor = Redactor(["secret-one"])
    redactor(text)
    redactor.clears(text)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (r"\"token\": \"a\\\"b\", \"x\"", r"\"token\": \"***\", \"x\""),
        (r"see:\nsk-abcdefgh1 \u0022sk-abcdefgh1\u0022", r"see:\nsk-*** \u0022sk-***\u0022"),
        (r"risk-management \\task-abcdefgh1", r"risk-management \\task-abcdefgh1"),
        (r"see:\r\nBearer abc", r"see:\r\nBearer ***"),
        (r"{\u0022token\u0022: \u0022a b\u0022}", r"{\u0022token\u0022: \u0022***\u0022}"),
        (r"{\u0027api_key\u0027: abc}", r"{\u0027api_key\u0027: ***}"),
        ("max_tokens=5 total_tokens: 7", "max_tokens=5 total_tokens: 7"),
        ('{"max_tokens": 5, "token": "abc"}', '{"max_tokens": 5, "token": "***"}'),
        ("OPENAI_API_KEY=abc; x=1", "OPENAI_API_KEY=***; x=1"),
        ("the token is short", "the token is short"),
        ("say secret-one twice: secret-one", "say *** twice: ***"),
        ("connect(password='S x', user='u')", "connect(password='***', user='u')"),
        ("{'api_key': 'S', 'n': 1}", "{'api_key': '***', 'n': 1}"),
        (r"connect(password=\"S\", user=\"u\")", r"connect(password=\"***\", user=\"u\")"),
        ("'password' => 'S', secret := b\"S\"", "'password' => '***', secret := b\"***\""),
        ("curl -H 'Cookie: a=b; session=S' x", "curl -H 'Cookie: ***' x"),
        (r"-H \"Cookie: a=b; s=S\" -d \"x\"", r"-H \"Cookie: ***\" -d \"x\""),
        ('Cookie: a=b; s="S T"; c=d', "Cookie: ***"),
        ("Authorization: Token S\nX: y", "Authorization: ***\nX: y"),
        ('Authorization: Digest u="a", response="S", n=1', "Authorization: ***"),
        ('{"passwd": "S", "passwords":"S"}', '{"passwd": "***", "passwords":"***"}'),
        (
            '{"passphrase": "S", "password_old": "S"}',
            '{"passphrase": "***", "password_old": "***"}',
        ),
        ('{"tokens": "S", "max_tokens": 5}', '{"tokens": "***", "max_tokens": 5}'),
        ('{"prompt_tokens": "5"}', '{"prompt_tokens": "5"}'),
        (
            r"{\"tokens\": \"S\", \"total_tokens\": 5}",
            r"{\"tokens\": \"***\", \"total_tokens\": 5}",
        ),
        ('{"tokens": ["a", "b"], "secret": true}', '{"tokens": ["a", "b"], "secret": true}'),
        ('{"password": {"value": "S"}}', '{"password": {"value": "***"}}'),
        (r"{\"token\":\n\"S\", \"x\"}", r"{\"token\":\n\"***\", \"x\"}"),
        ('{"passwords": ["S", "T"]}', '{"passwords": ***}'),
        ('{"token": {"type": "string"}}', '{"token": {"type": "string"}}'),
        ("Ocp-Apim-Subscription-Key: S", "Ocp-Apim-Subscription-Key: ***"),
        ('{"x-auth":"S"}', '{"x-auth":"***"}'),
        ("GET /x?api%5Fkey=S&n=1", "GET /x?api%5Fkey=***&n=1"),
        ("GET /x?key=S&n=1", "GET /x?key=***&n=1"),
        ("key=S&n=1 a=key=b", "key=***&n=1 a=key=b"),
        ('{"query":"key=S&n=1"}', '{"query":"key=***&n=1"}'),
        ("https://user:S@host:80/x", "https://user:***@host:80/x"),
        (r"https:\/\/user:S@host", r"https:\/\/user:***@host"),
        ("postgres://:S@host git@host:x", "postgres://:***@host git@host:x"),
        ("http://host:80/@x ssh://git@host", "http://host:80/@x ssh://git@host"),
        ("Token::parse(x)", "Token::parse(x)"),
        ("tokens = tokenizer.encode(x)", "tokens = tokenizer.encode(x)"),
        ('key = "x"', 'key = "x"'),
    ],
)
def test_secrets_are_taken_out_and_the_rest_stays(text: str, redacted: str) -> None:
    assert Redactor(["secret-one"])(text) == redacted


@pytest.mark.parametrize(
    "text", ["a/b+c=d", "a%2Fb%2Bc%3Dd", "a%2fb%2bc%3dd", "a/b%2Bc=d", r"a\/b+c=d"]
)
def test_a_secret_that_is_known_is_found_as_it_stands_in_a_url(text: str) -> None:
    assert Redactor(["a/b+c=d"])(f"x={text}&y") == "x=***&y"


def test_secrets_that_become_known_later_are_taken_out_from_then_on() -> None:
    further: set[str] = set()
    redactor = Redactor(["secret-one"], lambda: frozenset(further))
    assert redactor("secret-one and two") == "*** and two"
    further.add("two")
    assert redactor("secret-one and two") == "*** and ***"


NAMES = (
    *("api_key", "token", "tokens", "secret", "password", "cookie", "Key", "keys"),
    *("passwd", "passphrase", "_old", "s", "X-Auth", "authorization", "api%5Fkey", "key", "?"),
)


def test_a_value_in_escaped_quotes_may_end_with_its_line() -> None:
    text = 'cut off here: \\"token\\": \\"abc def\nand the next line'
    assert Redactor(())(text) == 'cut off here: \\"token\\": \\"***\\"\nand the next line'


SIGNS = (
    *("=:", "\\", "\\n", "\\u0022", '"', "'", " ", "\n", '\\"', '": "', "é", "x"),
    *("=", ":", "=>", "{", "[", "]", "value", ";", ",", "://", "@", "/", "a=b"),
)
VALUES = ("sk-", "bearer", "Basic ", "abcdefgh1", "secret-one", "one")
WORDS = st.sampled_from((*NAMES, *SIGNS, *VALUES))


@given(st.lists(st.lists(WORDS, max_size=8).map("".join), max_size=4))
def test_a_text_is_cleared_only_if_no_part_of_it_holds_a_secret(parts: list[str]) -> None:
    redacted = Redactor(["secret-one"])
    if redacted.clears("\n".join(parts)):
        assert [redacted(part) for part in parts] == parts


@pytest.mark.parametrize(
    "text",
    [
        *("max_tokens=5", "the token is short", '{"keys": 1}', "a basic", "passed: 5", "author: x"),
        *('{"max_tokens": 5}', '{"tokens": [5]}', "https://host:80/x?y=a", "ann@host"),
    ],
)
def test_usual_texts_are_cleared(text: str) -> None:
    assert Redactor(["secret-one"]).clears(text)


def test_of_a_long_body_a_line_that_waits_holds_no_more_than_it_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(behind, "MAX_WAITING_BYTES", 2 * LOOKED_AT)
    tell = teller(ServerSettings(log_level="debug"), Redactor(()))
    tell(
        Exchange(
            method="POST",
            path="/v1/x",
            tell=lambda _: None,
            keep_bodies=True,
            request_body=b"x" * 3 * LOOKED_AT,
        )
    )
    behind._settle_all()
    assert "POST /v1/x" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gunicorn.error", "werkzeug"])
def test_what_servers_log_by_themselves_holds_no_secret(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for further in ("one", "two"):
        configure(ServerSettings(), Redactor([further]))
    with caplog.at_level("INFO", name):
        logging.getLogger(name).info("%s 100%% %d", "/v1?api_key=abc two", 1)
    assert caplog.messages == ["/v1?api_key=*** *** 100% 1"]
    assert len(logging.getLogger(name).filters) == 1
