"""Asks aimock and our mock the same, with the same fixtures, and tells where they differ.

    python -m tests.aimock.compare [PATH ...]

Without a path these are aimock's own example files and `more.json`. Compared is what a client
acts upon: status, text, calls, finish reason, reasoning, what a fixture sets, and errors. How
a text is cut into chunks is not, nor are the ids and counts that each server makes up.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from tests.aimock.requests_for import Case, cases
from tests.builders import client
from tests.npm import NotInstalled, install
from tests.servers import PATIENCE_SECONDS, new_session

FOLDER = Path(__file__).parent
PACKAGE = FOLDER / "node_modules" / "@copilotkit" / "aimock"
EXAMPLES = PACKAGE / "fixtures"
MORE = FOLDER / "more.json"

SURFACES = ("chat", "chat, streamed", "responses", "responses, streamed", "embeddings")

Answer = Mapping[str, Any]


def example_files() -> list[Path]:
    """The files of aimock that hold fixtures; the others configure it."""
    found = sorted(EXAMPLES.rglob("*.json"))
    return [file for file in found if "fixtures" in json.loads(file.read_text())]


def compared(file: Path) -> list[tuple[str, str, str | None]]:
    """For each case and surface: their names, and the difference if there is one."""
    fixtures = json.loads(file.read_text())["fixtures"]
    ours = client(MOCK_FIXTURES=str(file), MOCK_REPLY="none", LLM_PROXY_LOG_LEVEL="error")
    results = []
    with _running_aimock(file) as address:
        for case in cases(fixtures):
            for surface in SURFACES:
                if bool(case.inputs) != (surface == "embeddings"):
                    continue
                path, document, headers = _request(case, surface)
                theirs = _theirs(address, path, document, headers)
                mine = _ours(ours, path, document, headers)
                same = theirs == mine
                difference = None if same else f"aimock: {theirs}\n  ours: {mine}"
                results.append((case.name, surface, difference))
    return results


def _request(case: Case, surface: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    # Both count what was asked before for each name that the headers give.
    headers = {"X-Test-Id": surface, "X-Mock-Namespace": surface, **case.headers}
    stream = {"stream": True} if "streamed" in surface else {}
    format_ = case.response_format and {"type": case.response_format}
    document: dict[str, Any]
    if surface == "embeddings":
        path, document = "/v1/embeddings", {"model": case.model, "input": case.inputs}
    elif surface.startswith("chat"):
        path, document = "/v1/chat/completions", {"model": case.model, "messages": case.messages}
        if case.tools:
            functions = ({"name": name, "parameters": {}} for name in case.tools)
            document["tools"] = [{"type": "function", "function": one} for one in functions]
        if format_:
            document["response_format"] = format_
        if stream:
            document["stream_options"] = {"include_usage": True}
    else:
        path, document = "/v1/responses", {"model": case.model, "input": _items(case.messages)}
        if case.tools:
            document["tools"] = [
                {"type": "function", "name": name, "parameters": {}} for name in case.tools
            ]
        if format_:  # aimock looks for it where chat completions have it
            document |= {"text": {"format": format_}, "response_format": format_}
    return path, document | stream, headers


def _items(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            call_id = message["tool_call_id"]
            output = {"call_id": call_id, "output": message["content"]}
            items.append({"type": "function_call_output", **output})
            continue
        if message["content"] is not None:
            items.append({"role": message["role"], "content": message["content"]})
        for call in message.get("tool_calls", ()):
            items.append({"type": "function_call", "call_id": call["id"], **call["function"]})
    return items


def _theirs(
    address: str, path: str, document: Mapping[str, Any], headers: Mapping[str, str]
) -> Answer:
    with new_session() as session:
        answer = session.post(
            address + path, json=document, headers=dict(headers), timeout=PATIENCE_SECONDS
        )
    return _essence(answer.status_code, answer.content.decode(), answer.headers.get("Retry-After"))


def _ours(
    ours: FlaskClient, path: str, document: Mapping[str, Any], headers: Mapping[str, str]
) -> Answer:
    answer = ours.post(path, json=document, headers=dict(headers))
    return _essence(
        answer.status_code, answer.get_data(as_text=True), answer.headers.get("Retry-After")
    )


def _essence(status: int, body: str, retry_after: str | None) -> Answer:
    """What a client acts upon."""
    if body.startswith(("data:", "event:")):
        chunks = re.findall(r"^data: (\{.*\})$", body, re.MULTILINE)
        answer = _folded([json.loads(chunk) for chunk in chunks])
    else:
        answer = json.loads(body)
    if "error" in answer and status >= 400:
        error = {key: answer["error"].get(key) for key in ("message", "type", "code")}
        if error["code"] == "no_fixture_match":  # ours tells why
            del error["message"]
        return {"status": status, "error": error, "retry": retry_after}
    if "data" in answer:
        return {"status": status, "vectors": [one["embedding"] for one in answer["data"]]}
    said = _said(answer["output"]) if "output" in answer else _chat(answer)
    return {"status": status, "model": answer["model"], **said, **_set(answer)}


def _folded(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document that a stream amounts to."""
    if "choices" not in chunks[0]:
        response: dict[str, Any] = chunks[-1]["response"]
        return response
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    reason = None
    answer = dict(chunks[0])
    for chunk in chunks:
        answer["usage"] = chunk.get("usage") or answer.get("usage")
        for choice in chunk["choices"]:
            delta, reason = choice["delta"], choice["finish_reason"] or reason
            for key in ("content", "reasoning_content"):
                message[key] += delta.get(key) or ""
            for call in delta.get("tool_calls", ()):
                if "id" in call:
                    message["tool_calls"].append({**call, "function": {**call["function"]}})
                else:
                    function = message["tool_calls"][call["index"]]["function"]
                    function["arguments"] += call["function"]["arguments"]
    answer["choices"] = [{"message": message, "finish_reason": reason}]
    return answer


def _chat(answer: Mapping[str, Any]) -> dict[str, Any]:
    choice = answer["choices"][0]
    message = choice["message"]
    return {
        "text": message["content"] or "",
        "reasoning": message.get("reasoning_content") or "",
        "calls": [_call(one["id"], **one["function"]) for one in message.get("tool_calls") or ()],
        "reason": choice["finish_reason"],
    }


def _said(output: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The items of a response in their order."""
    said: list[Any] = []
    for item in output:
        match item["type"]:
            case "message":
                said.append("".join(part["text"] for part in item["content"]))
            case "reasoning":
                said.append({"reasoning": "".join(part["text"] for part in item["summary"])})
            case "function_call":
                said.append(_call(item["call_id"], item["name"], item["arguments"]))
    return {"output": said}


def _call(id_: str, name: str, arguments: str) -> tuple[str, str, str]:
    return id_ if id_.startswith("set_") else "made up", name, arguments


def _set(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a fixture sets; aimock and we make up different things where it does not."""
    if not answer["id"].endswith("-set"):
        return {"status of response": answer.get("status")}
    names = ("id", "created", "created_at", "system_fingerprint")
    told = {name: answer[name] for name in names if name in answer}
    told.pop("created_at", None)
    usage = answer["usage"] or {}
    counts = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens")
    return told | {name: usage[name] for name in counts if name in usage}


@contextmanager
def _running_aimock(file: Path) -> Iterator[str]:
    command = ["node", str(PACKAGE / "dist" / "cli.js"), "--port", "0", "--fixtures", str(file)]
    process = subprocess.Popen(
        [*command, "--log-level", "info"],
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as log:
        watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        try:
            found = (re.search(r"http://[\d.]+:\d+", line) for line in log)
            address = next((one[0] for one in found if one), None)
            watchdog.cancel()
            if address is None:
                raise RuntimeError("aimock did not tell its address")
            threading.Thread(target=log.read, daemon=True).start()
            yield address
        finally:
            watchdog.cancel()
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def main(paths: Sequence[str]) -> int:
    """Compare, print a table, and return the exit code."""
    try:
        install(FOLDER)
    except NotInstalled as error:
        print(error)
        return 2
    differing = 0
    for file in [Path(path) for path in paths] or [*example_files(), MORE]:
        for case, surface, difference in compared(file):
            name = f"{file.name} {case}"
            print(f"{name:40}{surface:22}{'same' if difference is None else 'DIFFERENT'}")
            if difference is not None:
                differing += 1
                print(difference)
    print(f"{differing} differences")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
