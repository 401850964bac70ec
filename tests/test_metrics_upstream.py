"""Metrics and traces of the adapter: what became of the questions that it asked."""

import re

from tests.builders import chat_document
from tests.collector import collecting
from tests.raw_upstream import CLOSING_HEAD, head, raw_upstream, word
from tests.scraped import eventually, samples, scrape
from tests.servers import Server, running_gunicorn

ROUTE = "/adapter/v1/chat/completions"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def told(server: Server, name: str) -> dict[tuple[str, ...], float]:
    """The samples of that name, by the values of their labels."""
    found = samples(scrape(server), f"llm_proxy_upstream_{name}")
    return {tuple(sorted(one.labels.values())): one.value for one in found}


def ask(server: Server, **headers: str) -> int:
    return server.request("POST", ROUTE, json=chat_document(), headers=headers).status_code


def test_questions_are_counted_by_their_answers_and_a_breaker_that_opens_is_seen() -> None:
    with raw_upstream(CLOSING_HEAD, word("hi")) as upstream:
        env = {"STREAM_MODEL": "search", "STREAM_BREAKER_FAILURES": "1"}
        with running_gunicorn(
            STREAM_URL=upstream.url, STREAM_BREAKER_SECONDS="0.01", **env
        ) as server:
            assert ask(server) == 200
            eventually(lambda: told(server, "calls_total"), {("2xx", "search"): 1.0})
            assert told(server, "failures_total") == {}
            assert told(server, "breakers_open") == {("search",): 0.0}
        upstream.plays(head("Connection: close", "Content-Length: 0", status="500 No"))
        with running_gunicorn(
            STREAM_URL=upstream.url, STREAM_BREAKER_SECONDS="600", **env
        ) as server:
            assert [ask(server), ask(server)] == [502, 502]
            eventually(lambda: told(server, "breakers_open"), {("search",): 1.0})
            assert told(server, "calls_total") == {("5xx", "search"): 1.0}
            assert told(server, "failures_total") == {
                ("search", "upstream_status"): 1.0,
                ("search", "upstream_down"): 1.0,
            }


def test_the_upstream_becomes_part_of_the_trace() -> None:
    with collecting() as collector, raw_upstream(CLOSING_HEAD, word("hi")) as upstream:
        env = {"STREAM_URL": upstream.url, "STREAM_MODEL": "search", **collector.environ()}
        with running_gunicorn(**env) as server:
            assert ask(server, traceparent=TRACEPARENT) == 200
            asked, request = collector.spans(2)
        assert (asked.name, asked.kind, asked.parent) == ("search search", "client", request.id)
        assert asked.attributes == {"http.response.status_code": 200}
        (sent,) = re.findall(r"(?i)\r\ntraceparent: (\S+)", upstream.heads[0])
        assert sent == f"00-{request.trace}-{request.id}-01"
        assert request.trace == TRACEPARENT.split("-")[1]
