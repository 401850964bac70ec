"""What is nested deeper than can be walked through is an error of who asks, and no crash."""

import pytest

from tests.builders import client, read

CHAT = "/v1/chat/completions"


def asked(depth: int) -> str:
    lists = "[" * depth + "]" * depth
    return f'{{"model":"gpt-4o","messages":[{{"role":"user","content":"hi"}}],"x":{lists}}}'


@pytest.mark.parametrize("depth", [900, 981, 985, 989, 2000])
@pytest.mark.parametrize("what", ["", "/curl", "/fixture", "/pytest", "/diff/{id}"])
def test_an_exchange_that_is_nested_deep_is_told_or_refused(depth: int, what: str) -> None:
    caller = client()
    answered = caller.post(CHAT, data=asked(depth), content_type="application/json")
    exchange = answered.headers["x-request-id"]
    answer = caller.get(f"/control/requests/{exchange}{what.format(id=exchange)}")
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        assert read(answer)["error"]["type"] == "invalid_request_error"


def test_where_it_was_too_deep_stands_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    caller = client()
    answered = caller.post(CHAT, data=asked(900), content_type="application/json")
    exchange = answered.headers["x-request-id"]
    assert caller.get(f"/control/requests/{exchange}/diff/{exchange}").status_code == 400
    assert "RecursionError" in capsys.readouterr().err
