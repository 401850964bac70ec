"""The account of an exchange: what is left to its readers, and what may not be."""

import json
import tracemalloc
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy import create_app
from llm_proxy.core.reply import Finish, Said, Stamped, TextDelta, TextRun, ToolCallDelta
from llm_proxy.journal.account import account
from llm_proxy.journal.entry import MAX_REQUEST_BYTES, UNCOUNTED, entry_of
from llm_proxy.journal.folded import MAX_SAID
from llm_proxy.journal.hindsight import MAX_TOLD, whole
from llm_proxy.journal.texts import MAX_SHOWN, MAX_STREAM_BYTES
from llm_proxy.journal.warnings import MAX_MESSAGE, MAX_WARNINGS
from llm_proxy.openai_api.again import understood_again
from llm_proxy.records.cut import MAX_SECRET
from llm_proxy.records.exchange import Exchange
from llm_proxy.records.logs import Redactor
from llm_proxy.records.trace import MAX_ANSWER_BYTES, Trace
from llm_proxy.settings import from_env
from tests.builders import chat_document, course_of

UNDERSTANDING = partial(understood_again, {"/": ("gpt-4o",)})
CHAT = "/v1/chat/completions"


class Thorough(Redactor):
    """Looks at everything, as if there were something in it."""

    def clears(self, _: str, *, again: bool = False) -> bool:  # noqa: ARG002
        return False


def answered(
    document: Any, events: list[Said | TextRun], response: bytes = b"", **headers: str
) -> Exchange:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    trace = Trace(headers)
    trace.pieces = [response]
    exchange = Exchange(
        method="POST", path=CHAT, tell=lambda _: None, trace=trace, request_body=body, over=True
    )
    exchange.course = course_of(events)
    if (found := UNDERSTANDING(CHAT, body)) is not None:
        exchange.asked, objections = found
        exchange.model = exchange.asked.model
        exchange.objections = lambda: objections
    return exchange


def seen(exchange: Exchange, redacted: Redactor) -> dict[str, Any]:
    """All that a reader is shown."""
    entry, told = whole(account(exchange, redacted), UNDERSTANDING)
    listed = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return {**listed, **told, "request": bytes(entry.request).decode()}


WORDS = (
    *("token: abc", "tokens", "own-key-1", "Bearer abc", "sk-abcdefghij", "a word", "\n", "é/"),
    *("secret\n: abc", "password\t=abc", "cookie\x0b:\r\nabc", 'api_key": abc'),
)
TEXTS = st.lists(st.sampled_from((*WORDS, '"')), max_size=4).map(" ".join)


@given(TEXTS, TEXTS, st.sampled_from(["note", "token", "user_name"]), st.booleans())
def test_the_short_way_shows_what_the_long_one_shows(
    asked: str, said: str, name: str, escaped: bool
) -> None:
    document = chat_document(asked, metadata={name: asked}, temperature=3, colour="red")
    body = json.dumps(document, ensure_ascii=escaped).encode()
    exchange = answered(body, [TextDelta(said), Finish()], said.encode(), agent=asked)
    exchange.seconds = 1.0
    short, long = Redactor(["own-key-1"]), Thorough(["own-key-1"])
    assert seen(exchange, short) == seen(exchange, long)


def test_what_is_not_in_the_way_is_left_to_the_reader() -> None:
    exchange = answered(chat_document(temperature=3), [])
    assert entry_of(account(exchange, Redactor(())).listed).warning_count == UNCOUNTED
    told = seen(exchange, Redactor(()))
    assert told["warning_count"] == len(told["warnings"]) == 2
    assert [one["kind"] for one in told["warnings"]] == ["refused", "ignored"]
    assert told["understood"]["messages"][0]["characters"] == len("hi")
    assert len(told["requestDigest"]) == 32


@pytest.mark.parametrize(
    "document",
    [
        chat_document("sk-abcdefghij", temperature=3),
        chat_document("x" * MAX_REQUEST_BYTES, temperature=3),
    ],
)
def test_what_is_not_kept_as_sent_is_looked_into_before(document: Any) -> None:
    account_of = account(answered(document, []), Redactor(()))
    assert entry_of(account_of.listed).warning_count == 2
    assert json.loads(account_of.details)["understood"]["model"] == "gpt-4o"


@pytest.mark.parametrize("length", [5, MAX_REQUEST_BYTES // 500], ids=["kept", "too long"])
def test_of_many_warnings_a_few_are_told_and_all_are_counted(length: int) -> None:
    document = chat_document() | {f"k{number}".ljust(length, "x"): 0 for number in range(1000)}
    told = seen(answered(document, []), Redactor(()))
    assert told["warning_count"] == 1001  # one of OpenAI's, which names all of them
    assert len(told["warnings"]) == MAX_WARNINGS
    assert len(json.dumps(told["warnings"])) < 200_000


def test_of_a_long_request_with_many_tools_not_all_are_told() -> None:
    tools = [{"type": "function", "function": {"name": "x" * 5_000}}] * 1000
    told = seen(answered(chat_document(tools=tools), []), Redactor(()))
    assert len(told["understood"]["tools"]) == MAX_TOLD
    assert len(json.dumps(told["understood"])) < 200_000


def test_no_part_of_a_secret_is_left_where_a_warning_is_cut() -> None:
    unknown = {"x" * (MAX_MESSAGE - 5) + " own-key-1" + "x" * MAX_REQUEST_BYTES: 0}
    told = seen(answered(chat_document() | unknown, []), Redactor(["own-key-1"]))
    assert told["warning_count"] == 2
    assert "own-" not in str(told["warnings"])


MASKED = ['{"x": "own\\u002dkey"}', '{"x": "own\\/key"}', '{"own\\u002Dkey": [1, "x"]}']


@pytest.mark.parametrize("masked", MASKED)
def test_what_an_answer_has_unmasked_is_looked_at(masked: str) -> None:
    secret = "own/key" if "/" in masked else "own-key"
    exchange = answered(masked.encode(), [TextDelta("hi")], f"you sent {secret}".encode())
    assert seen(exchange, Redactor([secret]))["response"] == "you sent ***"


@pytest.mark.parametrize("masked", MASKED)
@pytest.mark.parametrize("named", [Redactor, Thorough])
def test_a_secret_is_taken_out_of_a_request_that_masks_it(
    masked: str, named: type[Redactor]
) -> None:
    redactor = named(["own-key", "own/key"])
    request = seen(answered(masked.encode(), []), redactor)["request"]
    assert request in ('{"x":"***"}', '{"***":["***","***"]}')


def test_a_secret_is_taken_out_before_what_it_stands_in_is_cut() -> None:
    text = "x" * (MAX_SHOWN - 5) + " own-key-1"
    sent = "x" * (MAX_ANSWER_BYTES - 5) + " own-key-1"
    exchange = answered(
        chat_document(text), [TextDelta(text)], sent.encode(), **{"user-agent": text}
    )
    told = seen(exchange, Redactor(["own-key-1"]))
    for name in ("question", "answer", "client", "response"):
        assert told[name].endswith("xxxxx ***"), name


SECRETS = ["own-key-1", "two words of it"]


@pytest.mark.parametrize("before", [1, 4, 9])
@pytest.mark.parametrize("gap", [" ", "\n", "\t", '"'])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_part_of_a_secret_is_left_where_a_long_answer_is_cut(
    before: int, gap: str, secret: str
) -> None:
    text = "x" * (MAX_SAID - before - 1) + gap + secret + "x" * 5000
    told = seen(answered(chat_document(), [TextDelta(text)]), Redactor(SECRETS))
    (choice,) = told["reply"]["choices"]
    assert choice["cut"] is True
    assert set(choice["text"]) <= {"x", "*", gap}
    assert len(choice["text"]) >= MAX_SAID - 20


def test_no_part_of_a_secret_is_left_where_arguments_are_cut() -> None:
    arguments = '{"a":"' + "x" * (MAX_SAID - 11) + "own-key-1" + "x" * 5000
    events: list[Said | TextRun] = [ToolCallDelta(0, "id", "name", arguments), Finish()]
    told = seen(answered(chat_document(), events), Redactor(SECRETS))
    assert "own" not in told["reply"]["choices"][0]["toolCalls"][0]["arguments"]


@pytest.mark.parametrize("stream", [False, True])
def test_nor_where_a_secret_before_it_has_made_the_text_shorter(stream: bool) -> None:
    def text(most: int, before: str, more: str = "") -> str:
        return before + more * ((most + MAX_SECRET - len(before) - 5) // len(more)) + "own-key-1"

    kept = MAX_STREAM_BYTES if stream else MAX_ANSWER_BYTES
    sent = text(kept, "Bearer " + "y" * 1300 + " ", "é" if stream else "x")
    exchange = answered(
        chat_document(text(MAX_SHOWN, "Bearer " + "y" * 1100 + " ", "x")),
        [TextDelta("hi")],
        sent.encode()[: kept + MAX_SECRET],
    )
    exchange.open, exchange.size = stream, len(sent.encode())
    told = seen(exchange, Redactor(SECRETS))
    assert "own" not in told["question"]
    assert "own" not in told["response"]


def test_of_an_answer_in_pieces_enough_is_kept_to_look_at() -> None:
    key = "own-key-1"
    client = create_app(from_env({"MOCK_REPLY": "echo", "LLM_PROXY_API_KEYS": key})).test_client()
    headers = {"Authorization": f"Bearer {key}", "X-Mock-Fault": "slow_drip; seconds=0.000001"}
    before = client.post(CHAT, json=chat_document("?"), headers=headers).text.index("?")
    text = "x" * (MAX_ANSWER_BYTES - before - 5) + " " + key
    client.post(CHAT, json=chat_document(text), headers=headers, buffered=True)
    newest = json.loads(client.get("/control/requests", headers=headers).data)["data"][0]
    told = client.get(f"/control/requests/{newest['id']}", headers=headers)
    assert "own" not in json.loads(told.data)["response"]


@pytest.mark.parametrize(
    "stamped", [Stamped(id="sk-abcdefghij"), Stamped(fingerprint="sk-abcdefghij")]
)
def test_what_a_reply_is_signed_with_is_looked_at(stamped: Stamped) -> None:
    sent = b'{"id": "sk-abcdefghij"}'
    exchange = answered(chat_document(), [TextDelta("hi")], sent)
    exchange.stamped = stamped
    assert "abcdef" not in str(seen(exchange, Redactor(())))


def test_limits_that_somebody_else_tells_of_are_looked_at() -> None:
    exchange = answered(chat_document(), [TextDelta("hi")])
    exchange.stamped = Stamped(limits={"x-ratelimit-x": "sk-abcdefghij"})
    assert exchange.trace is not None
    exchange.trace.answer_headers = [("x-ratelimit-x", "sk-abcdefghij")]
    assert "abcdef" not in str(seen(exchange, Redactor(())))


def test_an_answer_of_one_long_word_is_cut_all_the_same() -> None:
    told = seen(answered(chat_document(), [TextDelta("x" * MAX_SAID * 2)]), Redactor(()))
    assert told["reply"]["choices"][0]["text"] == "x" * MAX_SAID


def test_a_request_that_masks_no_secret_stays_as_it_was_sent() -> None:
    masked = '{"x": "\\u00fcber\\/all"}'
    assert seen(answered(masked.encode(), []), Redactor(["own-key"]))["request"] == masked


def test_a_run_is_told_as_its_pieces() -> None:
    events: list[Said | TextRun] = [TextDelta("a "), TextRun(("bc ", "d ")), Finish()]
    told = seen(answered(chat_document(), events), Redactor(()))
    assert [(one.kind, one.characters, one.ms // 1000) for one in told["timeline"]] == [
        ("text", 2, told["timeline"][0].ms // 1000),
        ("text", 3, told["timeline"][1].ms // 1000),
        ("text", 2, told["timeline"][1].ms // 1000),
        ("finish", 0, told["timeline"][3].ms // 1000),
    ]
    assert told["reply"]["choices"][0]["text"] == "a bc d "
    assert told["event_count"] == 4


def test_two_choices_are_no_single_text() -> None:
    told = seen(answered(chat_document(), [TextDelta("a"), TextRun(("b", "c"), 1)]), Redactor(()))
    assert [choice["text"] for choice in told["reply"]["choices"]] == ["a", "bc"]
    assert [(one.choice, one.characters) for one in told["timeline"]] == [(0, 1), (1, 1), (1, 1)]


@pytest.mark.parametrize("found", ["asked", "said", "called", "in a long text"])
@pytest.mark.parametrize("pieces", ["stream", "log probabilities", "none"])
def test_an_answer_in_pieces_is_not_kept_as_it_was_sent_if_a_secret_was_found(
    found: str, pieces: str
) -> None:
    secret = "token: abc"
    before = "x" * (MAX_SAID - 50) + " " if found == "in a long text" else ""
    events: list[Said | TextRun] = [TextDelta("hi")]
    if found != "asked":
        events = [TextDelta(before + "token: "), TextDelta("abc" + " x" * len(before))]
    if found == "called":
        events = [ToolCallDelta(0, "id", "name", '{"token":'), ToolCallDelta(0, "", "", '"abc"}')]
    logprobs = {"logprobs": True} if pieces == "log probabilities" else {}
    document = chat_document(secret if found == "asked" else "hi", **logprobs)
    exchange = answered(document, [*events, Finish()], b"in pieces")
    exchange.open, exchange.size = pieces == "stream", len("in pieces")
    told = seen(exchange, Redactor(()))
    assert told["response"] == ("in pieces" if pieces == "none" else "")
    assert told["responseLeftOut"] is (pieces != "none")


def test_of_a_stream_less_is_kept_as_it_was_sent() -> None:
    exchange = answered(chat_document(), [TextDelta("x")], b"x" * 5000)
    assert len(seen(exchange, Redactor(()))["response"]) == 5000
    exchange.open = True
    assert len(seen(exchange, Redactor(()))["response"]) == MAX_STREAM_BYTES


def test_headers_that_are_long_are_not_held_on_to() -> None:
    tracemalloc.start()
    try:
        for number in range(20):
            exchange = answered(chat_document(), [], agent=f"{number}" + "x" * 200_000)
            account(exchange, Redactor(["own-key-1"]))
            del exchange
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000
