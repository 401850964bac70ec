"""What the legacy API says becomes the events of a reply."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.reply import ASIDES, IDLE, Annotations, Event, Events, Finish, Noted, TextDelta
from llm_proxy.core.runs import singly
from llm_proxy.errors import InvalidRequest
from tests.builders import chat_request
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    RawUpstream,
    chunk,
    citation,
    event,
    head,
    next_but,
    raw_upstream,
    settings_for,
    word,
)

HEADING = "\n\n**Citations:**\n\n"


def replies(upstream: RawUpstream, question: str = "why?", **settings: Any) -> Events:
    """The events of a reply, behind the note that they begin with."""
    adapter = settings_for(upstream.url, **settings)
    events = LegacySource(adapter, Upstream(adapter)).reply(chat_request(question))
    assert isinstance(next(events), Noted)
    return events


def said(events: Events) -> list[Event]:
    return [event for event in singly(events) if not isinstance(event, ASIDES)]


def events_of(*sent: bytes, **settings: Any) -> list[Event]:
    """The events of a reply to an upstream that has `sent` all it has to say."""
    with raw_upstream(CLOSING_HEAD + b"".join(sent)) as upstream:
        return said(replies(upstream, **settings))


def texts_of(*words: str, **settings: Any) -> list[str]:
    """The pieces that `words`, each an event, are passed on as."""
    events = events_of(*map(word, words), **settings)
    assert events.pop() == Finish()
    return [event.text for event in events if isinstance(event, TextDelta)]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["one", "two", "three"], ["one", " two", " three"]),
        (["one ", "two ", "three"], ["one ", "two ", "three"]),
        (["one", " two", " three"], ["one", " two", " three"]),
        (["one\n", "two", "\tthree"], ["one\n", "two", "\tthree"]),
        (["one", " ", "two"], ["one", " ", "two"]),
        (["one", "", "two"], ["one", " two"]),
        (["", "one"], ["one"]),
        (["one two", "three"], ["one two", " three"]),
        ([" one", "two"], [" one", " two"]),
        (["one", ",", "two"], ["one", " ,", " two"]),
        (["one\u00a0", "two"], ["one\u00a0", "two"]),
    ],
)
def test_words_are_separated_unless_one_brings_its_own_white_space(
    words: Sequence[str], texts: Sequence[str]
) -> None:
    assert texts_of(*words) == texts


@pytest.mark.parametrize(
    ("separator", "texts"),
    [("", ["one", "two", " three"]), ("\n", ["one", "\ntwo", " three"]), ("--", None)],
)
def test_the_separator_is_a_setting(separator: str, texts: Sequence[str] | None) -> None:
    texts = texts or ["one", "--two", " three"]
    assert texts_of("one", "two", " three", word_separator=separator) == texts


def test_plain_text_is_separated_in_the_same_way() -> None:
    assert events_of(event("one"), event("42"), event(" None")) == [
        TextDelta("one"),
        TextDelta(" 42"),
        TextDelta(" None"),
        Finish(),
    ]


def test_generations_may_be_mixed_in_one_answer() -> None:
    sent = [event("one"), word("two"), event('{"type": "response", "data": "three"}')]
    assert events_of(*sent) == [
        TextDelta("one"),
        TextDelta(" two"),
        TextDelta(" three"),
        Finish(),
    ]


def test_citations_come_as_a_block_of_their_own_after_the_last_word() -> None:
    assert events_of(word("one"), word("two"), citation("1"), citation("22")) == [
        TextDelta("one"),
        TextDelta(" two"),
        TextDelta(HEADING + "- 1\n- 22"),
        Annotations(("1", "22")),
        Finish(),
    ]


def test_without_citations_there_is_no_block() -> None:
    assert events_of(word("one")) == [TextDelta("one"), Finish()]


def test_citations_amid_the_words_and_repeated_ones_come_once_at_the_end() -> None:
    sent = [citation("b"), word("one"), citation("a"), citation("b"), word("two"), citation("a")]
    assert events_of(*sent) == [
        TextDelta("one"),
        TextDelta(" two"),
        TextDelta(HEADING + "- b\n- a"),
        Annotations(("b", "a")),
        Finish(),
    ]


def test_citations_without_a_word_begin_with_the_heading() -> None:
    assert events_of(citation("1")) == [
        TextDelta(HEADING.lstrip() + "- 1"),
        Annotations(("1",)),
        Finish(),
    ]


def test_an_empty_citation_is_none() -> None:
    assert events_of(word("one"), citation(""), citation(" ")) == [TextDelta("one"), Finish()]


def test_citations_become_links_where_their_address_is_known() -> None:
    events = events_of(word("one"), citation("a/1"), citation_url="https://docs.example/{id}")
    assert events == [
        TextDelta("one"),
        TextDelta(HEADING + "- [a/1](https://docs.example/a%2F1)"),
        Annotations(("a/1",)),
        Finish(),
    ]


@pytest.mark.parametrize("sent", [event("[DONE]"), event("{'type': 'status', 'data': 'x'}")])
def test_an_answer_without_words_is_an_empty_one(sent: bytes) -> None:
    assert events_of(sent) == [Finish()]


def test_done_ends_the_answer_though_the_body_goes_on() -> None:
    sent = CHUNKED_HEAD + chunk(word("one") + citation("1") + event("[DONE]") + word("two"))
    with raw_upstream(sent, Act.AWAIT_CLOSE) as upstream:
        events = said(replies(upstream))
        assert upstream.left.wait(PATIENCE_SECONDS)
    assert events == [
        TextDelta("one"),
        TextDelta(HEADING + "- 1"),
        Annotations(("1",)),
        Finish(),
    ]


@pytest.mark.parametrize("question", ["", " \n"])
def test_with_nothing_to_ask_the_upstream_is_not_called(question: str) -> None:
    with raw_upstream(CLOSING_HEAD) as upstream:
        with pytest.raises(InvalidRequest):
            next(replies(upstream, question))
        assert upstream.heads == []


def test_the_upstream_is_asked_once_and_only_when_the_reply_is_wanted() -> None:
    with raw_upstream(CLOSING_HEAD + word("one")) as upstream:
        events = replies(upstream, "naïve & bold?")
        assert upstream.heads == []
        assert said(events) == [TextDelta("one"), Finish()]
    assert upstream.request_lines() == [
        "GET /stream?topNDocuments=3&sessionID=12345&search_query=na%C3%AFve+%26+bold%3F HTTP/1.1"
    ]


def test_a_long_question_is_cut() -> None:
    with raw_upstream(CLOSING_HEAD + word("one")) as upstream:
        list(replies(upstream, "é" * 1000, max_query_bytes=20, query_param="q"))
    assert upstream.request_lines() == [
        "GET /stream?topNDocuments=3&sessionID=12345&q=%C3%A9%C3%A9%C3%A9 HTTP/1.1"
    ]


def sent_fields(upstream: RawUpstream) -> dict[str, str]:
    """The header fields of the first request."""
    _, *lines = upstream.heads[0].strip().splitlines()
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def test_credentials_and_headers_are_sent() -> None:
    settings: dict[str, Any] = {
        "bearer_token": "t0ken",
        "cookie": "session=abc; theme=dark",
        "headers": (("X-Tenant", "birds"), ("User-Agent", "proxy")),
    }
    with raw_upstream(CLOSING_HEAD + word("one")) as upstream:
        list(replies(upstream, **settings))
    fields = sent_fields(upstream)
    assert fields.pop("host") in upstream.url
    assert fields == {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "authorization": "Bearer t0ken",
        "cache-control": "no-store",
        "connection": "keep-alive",
        "cookie": "session=abc; theme=dark",
        "user-agent": "proxy",
        "x-tenant": "birds",
    }


def test_the_surroundings_have_no_say_in_where_the_question_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """~/.netrc would replace the token, and a proxy would see the question."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raw_upstream(CLOSING_HEAD + word("one")) as upstream:
        assert next_but(IDLE, replies(upstream, bearer_token="t0ken")) == TextDelta("one")
    assert sent_fields(upstream)["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("cookie", ["", "session=ours"])
def test_cookies_that_the_upstream_sets_for_one_user_are_not_sent_for_the_next(
    cookie: str,
) -> None:
    answer = head("Set-Cookie: session=alice; Path=/", "Connection: close") + word("one")
    with raw_upstream(answer) as upstream:
        settings = settings_for(upstream.url, cookie=cookie)
        source = LegacySource(settings, Upstream(settings))
        for _ in range(2):
            list(source.reply(chat_request()))
    assert len(upstream.heads) == 2
    assert [
        ("session=alice" in request, "session=ours" in request) for request in upstream.heads
    ] == [
        (False, bool(cookie)),
        (False, bool(cookie)),
    ]


def test_a_connection_that_the_upstream_closed_meanwhile_is_not_used_again() -> None:
    answer = CHUNKED_HEAD + chunk(word("one")) + LAST_CHUNK
    with raw_upstream(answer) as upstream:
        settings = settings_for(upstream.url)
        source = LegacySource(settings, Upstream(settings))
        for _ in range(3):
            assert said(source.reply(chat_request())) == [TextDelta("one"), Finish()]
            assert upstream.ended.acquire(timeout=PATIENCE_SECONDS)
    assert len(upstream.heads) == 3


@pytest.mark.parametrize(
    "before",
    [
        CHUNKED_HEAD + chunk(word("one")),
        CLOSING_HEAD + word("one"),
        head("Content-Length: 1000") + word("one"),
    ],
    ids=["chunked", "until closed", "counted"],
)
@pytest.mark.parametrize("idle", [False, True], ids=["after a word", "while silent"])
def test_closing_the_reply_closes_the_upstreams_connection(before: bytes, idle: bool) -> None:
    with raw_upstream(before, Act.AWAIT_CLOSE) as upstream:
        events = replies(upstream)
        assert next_but(IDLE, events) == TextDelta("one")
        if idle:
            assert next(events) == IDLE
        assert not upstream.left.is_set()
        events.close()
        assert upstream.left.wait(PATIENCE_SECONDS)


def test_closing_a_reply_that_has_sent_nothing_yet_closes_the_connection() -> None:
    with raw_upstream(CHUNKED_HEAD, Act.AWAIT_CLOSE) as upstream:
        events = replies(upstream)
        assert next(events) == IDLE
        events.close()
        assert upstream.left.wait(PATIENCE_SECONDS)
