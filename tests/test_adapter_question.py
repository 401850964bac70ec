"""The question is the last thing the user said, in a URL that servers take."""

from urllib.parse import parse_qsl, quote_plus, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.adapter.question import question, search_url
from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.errors import InvalidRequest

repeatable = settings(deadline=None, derandomize=True)

PLENTY = 3500


def request_of(*messages: tuple[str, str]) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=tuple(Message(role=role, text=text) for role, text in messages),  # type: ignore[arg-type]
    )


def asked(query: str, max_query_bytes: int = PLENTY, url: str = "http://h/stream") -> str:
    """The question as the legacy API decodes it."""
    parts = urlsplit(search_url(url, "search_query", query, max_query_bytes))
    return dict(parse_qsl(parts.query, keep_blank_values=True))["search_query"]


@pytest.mark.parametrize(
    "messages",
    [
        [("user", "why?")],
        [("system", "be brief"), ("user", "why?")],
        [("user", "what?"), ("assistant", "that"), ("user", "why?")],
        [("user", "what?"), ("user", "why?"), ("assistant", ""), ("tool", "42")],
        [("user", " \n why?\n\n")],
    ],
)
def test_the_last_user_message_is_the_question(messages: list[tuple[str, str]]) -> None:
    assert question(request_of(*messages)) == "why?"


@pytest.mark.parametrize(
    "messages", [[("user", "")], [("user", " \n\t")], [("system", "x"), ("assistant", "y")]]
)
def test_without_a_question_the_request_is_refused(messages: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        question(request_of(*messages))
    assert (caught.value.status, caught.value.param, caught.value.message) == (
        400,
        "messages",
        "There is nothing to search for: no message with role 'user' holds any text.",
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", "http://h?search_query=a+b"),
        ("http://h/stream", "http://h/stream?search_query=a+b"),
        ("http://h/stream?", "http://h/stream?search_query=a+b"),
        ("https://h:8443/s?n=3&sessionID=1", "https://h:8443/s?n=3&sessionID=1&search_query=a+b"),
        ("http://h/s?n=3#part", "http://h/s?n=3&search_query=a+b"),
        ("http://h/s?search_query=old", "http://h/s?search_query=a+b"),
        ("http://h/s?search_query=&n=3&search_query=x", "http://h/s?n=3&search_query=a+b"),
        ("http://h/s?search%5Fquery=old&n=3", "http://h/s?n=3&search_query=a+b"),
        ("http://h/s?search_queryx=1", "http://h/s?search_queryx=1&search_query=a+b"),
    ],
)
def test_the_query_is_set_and_replaces_one_that_is_there(url: str, expected: str) -> None:
    assert search_url(url, "search_query", "a b", PLENTY) == expected


@pytest.mark.parametrize(
    "kept", ["n=3", "a=", "a", "a=1&a=2", "a=b%20c", "a=b+c", "a=%FF", "a=b/c", "a=1;b", "a=%26"]
)
def test_the_rest_of_the_query_string_is_kept_as_it_is_written(kept: str) -> None:
    assert search_url(f"http://h/s?{kept}", "q", "x", PLENTY) == f"http://h/s?{kept}&q=x"


def test_the_name_of_the_parameter_is_encoded() -> None:
    assert search_url("http://h/s?q%5B%5D=old", "q[]", "x", PLENTY) == "http://h/s?q%5B%5D=x"


@pytest.mark.parametrize("query", ["a&b=c", "100 % sure?", "a+b", "#1", "naïve 😀", "a\nb"])
def test_the_question_arrives_as_it_was_asked(query: str) -> None:
    assert asked(query) == query


@pytest.mark.parametrize(
    ("query", "max_query_bytes", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("a b c", 3, "a b"),  # a space is one byte, a plus sign
        ("a/b", 3, "a"),  # a slash is three
        ("a/b", 4, "a/"),
        ("éé", 12, "éé"),
        ("éé", 11, "é"),
        ("éé", 6, "é"),
        ("éé", 5, ""),
        ("a😀b", 12, "a"),
        ("a😀b", 13, "a😀"),
        ("€", 8, ""),
    ],
)
def test_a_long_question_is_cut_between_two_characters(
    query: str, max_query_bytes: int, expected: str
) -> None:
    assert asked(query, max_query_bytes) == expected


@repeatable
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 60))
def test_as_much_is_asked_as_there_is_room_for(query: str, max_query_bytes: int) -> None:
    kept = asked(query, max_query_bytes)
    assert query.startswith(kept)
    assert len(quote_plus(kept)) <= max_query_bytes
    one_more = query[: len(kept) + 1]
    assert one_more == kept or len(quote_plus(one_more)) > max_query_bytes


def test_half_a_surrogate_pair_is_asked_as_a_question_mark() -> None:
    assert asked("a\ud83d b") == "a? b"


def test_a_very_long_question_costs_no_more_than_what_is_sent_of_it() -> None:
    assert asked("x" * 10_000_000) == "x" * PLENTY
