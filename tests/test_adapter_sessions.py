"""Each user has a session of the search API that nobody else can reach."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from llm_proxy.adapter.question import search_url
from llm_proxy.adapter.sessions import session_params
from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.settings import AdapterSettings, SettingsError, from_env
from tests.builders import chat_request

KEY = "a key of this installation"
EVERYWHERE = ("header:X-Session-ID", "user", "metadata.session_id", "safety_identifier")


def session(request: ChatRequest, *places: str, key: str = KEY) -> str | None:
    settings = AdapterSettings(session_from=places or EVERYWHERE, session_key=key)
    params = session_params(request, settings)
    assert set(params) <= {"sessionID"}
    return params.get("sessionID")


def from_user(user: object, key: str = "", **document: Any) -> ChatRequest:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return chat_request(document={"user": user, **document}, headers=headers)


@pytest.mark.parametrize(
    ("place", "request_"),
    [
        ("user", chat_request(document={"user": "ann"})),
        ("safety_identifier", chat_request(document={"safety_identifier": "ann"})),
        ("metadata.session_id", chat_request(document={"metadata": {"session_id": "ann"}})),
        ("header:X-Session-ID", chat_request(headers={"x-session-id": "ann"})),
    ],
)
def test_a_session_is_a_hash_of_what_the_request_tells(place: str, request_: ChatRequest) -> None:
    told = session(request_, place)
    assert told is not None
    assert len(told) == 32
    assert int(told, 16)
    assert told == session(request_)
    others = [other for other in EVERYWHERE if other != place]
    assert session(request_, *others) is None


def test_the_same_user_has_the_same_session_and_others_have_others() -> None:
    users = ["ann", "bob", "Ann", "ann ann", "1"]
    sessions = [session(from_user(user)) for user in users]
    assert sessions == [session(from_user(user)) for user in users]
    assert len(set(sessions)) == len(users)


def test_the_same_name_in_another_place_is_somebody_else() -> None:
    told = [
        session(chat_request(document={"user": "ann"})),
        session(chat_request(document={"safety_identifier": "ann"})),
        session(chat_request(document={"metadata": {"session_id": "ann"}})),
        session(chat_request(headers={"x-session-id": "ann"})),
    ]
    assert len(set(told)) == len(told)


def test_two_users_with_the_same_number_do_not_share_a_session() -> None:
    def told(user: str, number: str) -> str | None:
        request = chat_request(document={"user": user}, headers={"x-session-id": number})
        return session(request)

    assert told("ann", "1") != told("bob", "1")
    assert told("ann", "1") != told("ann", "2")


def test_the_name_of_another_user_does_not_lead_into_their_session() -> None:
    """With API keys, whose key it is counts, too."""
    assert session(from_user("ann", key="ann's key")) != session(from_user("ann", key="bob's key"))


def test_an_api_key_may_be_a_user() -> None:
    told = [session(from_user(None, key=key), "api_key", "user") for key in ("ann's", "bob's")]
    assert None not in told
    assert len(set(told)) == 2
    assert session(from_user(None), "api_key") is None


def test_what_two_places_tell_cannot_be_shifted_between_them() -> None:
    def told(user: str, identifier: str) -> str | None:
        return session(chat_request(document={"user": user, "safety_identifier": identifier}))

    assert told("a", "bc") != told("ab", "c")


def test_another_installation_has_other_sessions() -> None:
    assert session(from_user("ann")) != session(from_user("ann"), key="of another installation")


@pytest.mark.parametrize("user", [None, "", " ", 7, ["ann"], {"id": "ann"}])
def test_a_request_that_does_not_tell_has_the_configured_session(user: object) -> None:
    assert session(from_user(user)) is None
    assert session(chat_request(document={"metadata": "x"})) is None


def test_mapping_is_off_unless_places_are_named() -> None:
    assert session_params(from_user("ann"), AdapterSettings()) == {}


def test_half_a_surrogate_pair_is_survived() -> None:
    assert session(from_user("ann\ud83d")) is not None


def test_the_session_replaces_the_configured_one_in_the_url() -> None:
    url = "http://h/stream?topNDocuments=3&sessionID=12345"
    asked = search_url(url, "search_query", "why?", 3500, {"sessionID": "a b"})
    assert asked == "http://h/stream?topNDocuments=3&sessionID=a+b&search_query=why%3F"
    assert parse_qs(urlsplit(asked).query)["sessionID"] == ["a b"]


def test_the_name_of_the_parameter_is_a_setting() -> None:
    settings = AdapterSettings(session_from=("user",), session_key=KEY, session_param="sid")
    assert list(session_params(from_user("ann"), settings)) == ["sid"]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"STREAM_SESSION_FROM": "user"},
            "STREAM_SESSION_KEY: is missing; sessions need one, "
            "any text of 16 or more characters that nobody else knows",
        ),
        (
            {"STREAM_SESSION_KEY": "short"},
            "STREAM_SESSION_KEY: the value is shorter than 16 characters",
        ),
        (
            {"STREAM_SESSION_FROM": "usr", "STREAM_SESSION_KEY": KEY},
            "STREAM_SESSION_FROM: 'usr' is not one of user, safety_identifier, api_key, "
            "metadata.NAME, header:NAME",
        ),
    ],
)
def test_a_session_that_could_be_guessed_is_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env(environ)
    assert refused.value.problems == [problem]
