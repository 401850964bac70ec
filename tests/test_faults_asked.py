"""Who may ask for a fault, how, and who is heard."""

from collections.abc import Mapping
from typing import Any

import pytest

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.prompts import replies
from llm_proxy.core.reply import Finish, TextRun, WireFault
from llm_proxy.errors import InvalidRequest, ProxyError
from llm_proxy.mock.faults import FaultSpec, FixtureFaults, Spoken, Trouble
from llm_proxy.mock.faults.headers import asked_for
from llm_proxy.mock.faults.orders import fault_order
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.faults.rates import by_chance
from llm_proxy.mock.faults.scripted import scripted_error
from llm_proxy.openai_api.resource import Answer, Call, Resource
from llm_proxy.settings import MockSettings
from llm_proxy.settings.chaos import Chaos
from llm_proxy.sqlite.state import SqliteState
from tests.builders import empty_state, empty_store, mock_source

ALWAYS = Chaos(drop_rate=1)
RESET = FixtureFaults(fault=FaultSpec(kind="reset"))


def told(error: ProxyError | None) -> tuple[int, str, str | None, Mapping[str, str]] | None:
    return None if error is None else (error.status, error.type, error.code, error.headers)


@pytest.mark.parametrize(
    ("headers", "trouble"),
    [
        ({}, Trouble()),
        ({"x-mock-delay-ms": "500"}, Trouble(delay_seconds=0.5)),
        ({"x-mock-delay-ms": "0"}, Trouble()),
        ({"x-mock-fault": "reset"}, Trouble(wire=WireFault("reset"))),
        (
            {"x-mock-fault": " stall;after=3 ; seconds = 1.5 ", "x-mock-delay-ms": "20"},
            Trouble(wire=WireFault("stall", 3, 1.5), delay_seconds=0.02),
        ),
        (
            {"x-mock-fault": "unknown_tool"},
            Trouble(spoken=Spoken("unknown_tool")),
        ),
    ],
)
def test_headers_ask_for_trouble(headers: dict[str, str], trouble: Trouble) -> None:
    assert asked_for(headers) == trouble


def test_a_status_is_asked_for_with_the_time_to_wait() -> None:
    trouble = asked_for({"x-mock-status": "503", "x-mock-retry-after": "2.5"})
    assert told(trouble.error) == (
        *(503, "server_error", "service_unavailable"),
        {"Retry-After": "3", "retry-after-ms": "2500"},
    )


def test_an_error_event_tells_of_the_status_that_is_asked_for() -> None:
    trouble = asked_for({"x-mock-status": "401", "x-mock-fault": "error_event; after=2"})
    assert trouble.spoken == Spoken("error_event", 2)
    assert told(trouble.error) == (401, "invalid_request_error", "invalid_api_key", {})


WRONG_HEADERS = [
    ("X-Mock-Status", {"x-mock-status": "200"}, "'200' is not understood. Allowed: 400 to 599."),
    (
        "X-Mock-Status",
        {"x-mock-status": "429; colour=red"},
        "'colour=red' is not understood. Allowed: code=.",
    ),
    (
        "X-Mock-Retry-After",
        {"x-mock-status": "503", "x-mock-retry-after": "soon"},
        "'soon' is not understood. Allowed: seconds, such as 2.",
    ),
    ("X-Mock-Retry-After", {"x-mock-retry-after": "2"}, "'retryAfter' needs a 'status'."),
    (
        "X-Mock-Fault",
        {"x-mock-fault": "reset; after=-1"},
        "'-1' is not understood. Allowed: after=3.",
    ),
    (
        "X-Mock-Fault",
        {"x-mock-fault": "stall; seconds=inf"},
        "'inf' is not understood. Allowed: seconds=1.5.",
    ),
    (
        "X-Mock-Fault",
        {"x-mock-fault": "reset; after=1; after=2"},
        "'after=2' is not understood. Allowed: after= and seconds=.",
    ),
    (
        "X-Mock-Fault",
        {"x-mock-fault": "duplicate; seconds=1"},
        "'duplicate' takes no 'seconds'. "
        "These do: disconnect, reset, truncate, stall, slow_drip, split_utf8.",
    ),
    (
        "X-Mock-Fault",
        {"x-mock-fault": "reset", "x-mock-status": "500"},
        "Of the kinds only 'error_event' goes with a 'status', not 'reset'.",
    ),
    (
        "X-Mock-Delay-Ms",
        {"x-mock-delay-ms": "1e3"},
        "'1e3' is not understood. Allowed: milliseconds, such as 500.",
    ),
]


@pytest.mark.parametrize(("header", "headers", "message"), WRONG_HEADERS)
def test_a_malformed_header_is_refused_by_name(
    header: str, headers: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked_for(headers)
    assert (refused.value.param, refused.value.message) == (header, f"{header}: {message}")


def test_an_unknown_kind_is_refused_with_all_that_are_known() -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked_for({"x-mock-fault": "explode"})
    assert refused.value.message.startswith(
        "X-Mock-Fault: 'explode' is not understood. Allowed: disconnect, reset, stall, "
    )


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"status": 200}, "status"),
        ({"status": "503"}, "status"),
        ({"kind": "reset", "afterChunks": -1}, "afterChunks"),
        ({"afterChunks": 1, "status": 500}, "afterChunks"),
        ({"kind": "reset", "message": "x"}, "message"),
        ({"delayMs": -1}, "delayMs"),
        ({"kind": "reset", "after": 1}, "after"),
        ({"retryAfter": 1, "kind": "reset"}, "retryAfter"),
    ],
)
def test_a_wrong_order_is_refused_by_its_field(document: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        fault_order(document)
    assert refused.value.param == param


def test_an_order_says_what_the_error_is() -> None:
    document = {
        "status": 418,
        "message": "no coffee",
        "type": "teapot",
        "code": "short",
        "retryAfter": 0.5,
        "delayMs": 100,
    }
    trouble = fault_order(document).trouble()
    assert trouble.delay_seconds == 0.1
    assert told(trouble.error) == (
        *(418, "teapot", "short"),
        {"Retry-After": "1", "retry-after-ms": "500"},
    )
    assert trouble.error is not None
    assert trouble.error.message == "no coffee"


USED_UP = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1s",
}
AT_ONCE = {"Retry-After": "1", "retry-after-ms": "1000"}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, None, ("invalid_request_error", None, {})),
        (401, None, ("invalid_request_error", "invalid_api_key", {})),
        (403, None, ("request_forbidden", "unsupported_country_region_territory", {})),
        (404, None, ("invalid_request_error", "model_not_found", {})),
        (418, None, ("invalid_request_error", None, {})),
        (429, None, ("requests", "rate_limit_exceeded", AT_ONCE | USED_UP)),
        (429, "insufficient_quota", ("insufficient_quota", "insufficient_quota", {})),
        (429, "mine", ("requests", "mine", AT_ONCE | USED_UP)),
        (500, None, ("server_error", None, {})),
        (503, None, ("server_error", "service_unavailable", {})),
        (529, None, ("server_error", None, {})),
    ],
)
def test_a_status_has_what_is_usual_for_it(status: int, code: str | None, expected: Any) -> None:
    assert told(scripted_error(status, code=code)) == (status, *expected)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "context_length_exceeded", "This model's maximum context length is 8192 tokens. "),
        (400, "content_filter", "The response was filtered due to the prompt triggering "),
        (
            *(400, "content_policy_violation"),
            "Your request was rejected as a result of our safety system. ",
        ),
        (401, "invalid_api_key", "Incorrect API key provided. You can find your API key at "),
        (403, None, "Country, region, or territory not supported"),
        (404, "model_not_found", "The model does not exist or you do not have access to it."),
        (429, "insufficient_quota", "You exceeded your current quota, please check your plan and "),
        (429, None, "Rate limit reached for requests per min (RPM): Limit 10000, Used 10000, "),
        (500, None, "The server had an error while processing your request. Sorry about that!"),
    ],
)
def test_an_error_is_told_in_the_words_that_clients_know_from_openai(
    status: int, code: str | None, words: str
) -> None:
    """By some of these, and not by the code, litellm and others tell errors apart."""
    assert scripted_error(status, code=code).message.startswith(words)


@pytest.mark.parametrize(("seconds", "told"), [(None, "1s"), (0.5, "500ms"), (20, "20s")])
def test_a_rate_limit_tells_in_words_how_long_to_wait(seconds: float | None, told: str) -> None:
    message = scripted_error(429, retry_after_seconds=seconds).message
    assert f" Please try again in {told}. " in message


def test_no_message_makes_continue_run_the_request_again() -> None:
    messages = [scripted_error(status).message for status in range(400, 600)]
    assert not [message for message in messages if "overloaded" in message or "529" in message]
    assert not [message for message in messages if message[0].isdigit()]


def faults(chaos: Chaos = ALWAYS, state: SqliteState | None = None, seed: int = 0) -> Faults:
    return Faults(state or empty_state(), chaos, seed)


def queue(document: Mapping[str, Any], namespace: str = "", times: int = 1) -> SqliteState:
    state = empty_state()
    state.add("fault", namespace, document, times)
    return state


def test_the_headers_are_stronger_than_all_and_use_nothing_up() -> None:
    state = queue({"status": 418})
    asking = faults(state=state)
    found = asking.trouble({"x-mock-fault": "crlf"}, RESET)
    assert found == Trouble(wire=WireFault("crlf"))
    assert len(state.scripted("fault")) == 1


def test_a_fixture_is_stronger_than_the_queue_and_chance() -> None:
    state = queue({"status": 418})
    assert faults(state=state).trouble({}, RESET) == Trouble(wire=WireFault("reset"))
    assert len(state.scripted("fault")) == 1


def test_the_queue_is_stronger_than_chance_until_it_is_used_up() -> None:
    asking = faults(state=queue({"status": 418}, times=2))
    statuses = [told(asking.trouble({}).error) for _ in range(3)]
    assert [status and status[0] for status in statuses] == [418, 418, 500]


def test_what_is_queued_in_one_namespace_is_not_seen_in_another() -> None:
    asking = faults(Chaos(), queue({"status": 418}, namespace="mine"))
    assert asking.trouble({}) == Trouble()
    assert asking.trouble({"x-mock-namespace": "mine"}).error is not None


def test_what_is_queued_later_is_seen() -> None:
    state = empty_state()
    asking = faults(Chaos(), state)
    assert asking.trouble({}) == Trouble()
    state.add("fault", "", {"kind": "reset"}, times=1)
    assert [asking.trouble({}) for _ in range(2)] == [Trouble(wire=WireFault("reset")), Trouble()]


def test_chance_of_a_fixture_takes_the_place_of_that_of_the_settings() -> None:
    calm = FixtureFaults(chaos=Chaos(latency_ms=250))
    assert faults().trouble({}, calm) == Trouble(delay_seconds=0.25)
    wild = FixtureFaults(chaos=Chaos(disconnect_rate=1))
    assert faults().trouble({}, wild) == Trouble(wire=WireFault("disconnect"))


def test_a_delay_goes_with_a_weaker_fault_and_the_stronger_delay_counts() -> None:
    found = faults().trouble({"x-mock-delay-ms": "500"}, RESET)
    assert found == Trouble(delay_seconds=0.5, wire=WireFault("reset"))
    slow = faults(Chaos(latency_ms=9))
    assert slow.trouble({"x-mock-delay-ms": "500"}) == Trouble(delay_seconds=0.5)
    assert slow.trouble({}) == Trouble(delay_seconds=0.009)


@pytest.mark.parametrize(
    ("fixture", "trouble"),
    [
        (
            FixtureFaults(truncate_after_chunks=3),
            Trouble(wire=WireFault("disconnect", 3)),
        ),
        (FixtureFaults(disconnect_after_ms=500), Trouble(cut_after_seconds=0.5)),
    ],
)
def test_a_fixture_cuts_streams_only(fixture: FixtureFaults, trouble: Trouble) -> None:
    asking = faults(Chaos())
    assert asking.trouble({}, fixture, stream=True) == trouble
    assert asking.trouble({}, fixture, stream=False) == Trouble()


def test_rates_are_tried_one_after_the_other() -> None:
    chaos = Chaos(
        drop_rate=0.5, malformed_rate=0.5, rate_limit_rate=0.5, disconnect_rate=0.5, latency_ms=10
    )

    def failing(*hit: str) -> Trouble:
        return by_chance(chaos, lambda rate: 0.4 if rate in hit else 0.6)

    dropped = failing("drop", "malformed")
    assert told(dropped.error) == (500, "server_error", "chaos_drop", {})
    assert dropped.delay_seconds == 0.01
    assert failing("malformed", "rateLimit").wire == WireFault("malformed")
    limited = failing("rateLimit", "disconnect")
    assert told(limited.error) == (429, "requests", "chaos_ratelimit", AT_ONCE | USED_UP)
    assert failing("disconnect").wire == WireFault("disconnect")
    assert failing() == Trouble(delay_seconds=0.01)


def runs(seed: int = 0, namespace: str = "n", count: int = 400) -> list[bool]:
    asking = faults(Chaos(drop_rate=0.25), seed=seed)
    headers = {"x-mock-namespace": namespace}
    return [asking.trouble(headers).fails for _ in range(count)]


def test_the_same_run_fails_at_the_same_places() -> None:
    assert runs() == runs()
    assert runs() != runs(seed=1)
    assert runs() != runs(namespace="other")


def test_a_rate_is_about_the_share_that_fails() -> None:
    assert 70 < sum(runs()) < 130


def test_a_run_can_be_repeated_after_a_reset() -> None:
    state = empty_state()
    asking = faults(Chaos(drop_rate=0.5), state)
    first = [asking.trouble({}).fails for _ in range(50)]
    state.reset()
    assert [asking.trouble({}).fails for _ in range(50)] == first


def test_several_prompts_of_one_request_use_the_queue_up_once() -> None:
    state = queue({"kind": "reset"}, times=2)
    source = mock_source(MockSettings(reply="echo"), state=state)
    messages = tuple(Message(role="user", text=text) for text in ("a", "b"))
    request = ChatRequest(endpoint="completions", model="m", messages=messages, n=2)
    events = [event for event in replies(source, request) if not isinstance(event, Finish)]
    assert events == [WireFault("reset"), TextRun(("a",), 0), TextRun(("b",), 1)]
    assert [one.times for one in state.scripted("fault")] == [1]


def answered(headers: dict[str, str], resource: Resource) -> Answer:
    call = Call(store=empty_store(), names={}, query={}, headers=headers, document=b"")
    return faults(Chaos()).dressed(resource).answer(call)


def test_a_resource_is_late_or_faulty_as_asked() -> None:
    resource = Resource("GET", "/models", lambda _: Answer(body=b"{}"))
    headers = {"x-mock-fault": "reset", "x-mock-delay-ms": "5"}
    assert answered(headers, resource) == Answer(
        body=b"{}", delay_seconds=0.005, fault=WireFault("reset")
    )


def test_a_resource_that_fails_does_nothing() -> None:
    done: list[Call] = []

    def delete(call: Call) -> Answer:
        done.append(call)
        return Answer()

    headers = {"x-mock-status": "500", "x-mock-delay-ms": "5"}
    failed = answered(headers, Resource("DELETE", "/x", delete))
    assert (told(failed.error), failed.delay_seconds) == ((500, "server_error", None, {}), 0.005)
    assert done == []
