"""In process: our application and an empty Flask route called by turns, without a server.

`python -m bench.apps.in_process ROUNDS CALLS` prints a JSON object: for each of the two the
microseconds of a call, once in each round.
"""

import io
import json
import os
import sys
import time
from typing import Any
from wsgiref.types import WSGIApplication

from flask import Flask

from bench.documents import PATH, question
from llm_proxy import create_app


def main(rounds: int, calls: int) -> dict[str, list[float]]:
    """Microseconds of processor time for a call, by contender and round."""
    apps: dict[str, WSGIApplication] = {"ours": create_app(), "empty Flask route": _empty()}
    found: dict[str, list[float]] = {name: [] for name in apps}
    for name, app in apps.items():
        _microseconds(app, calls)  # until all that is made on first use is made
        found[name].clear()
    for _ in range(rounds):
        for name, app in apps.items():
            found[name].append(_microseconds(app, calls))
    return found


def _empty() -> Flask:
    app = Flask(__name__)
    app.add_url_rule(PATH, "empty", lambda: "", methods=["POST"])
    return app


def _microseconds(app: WSGIApplication, calls: int) -> float:
    body = question()
    began = time.process_time_ns()
    for _ in range(calls):
        answer = app(_environ(body), _start_response)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
    return (time.process_time_ns() - began) / calls / 1000


def _environ(body: bytes) -> dict[str, Any]:
    """What gunicorn passes for the request that the load client sends."""
    return {
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": "http",
        "SERVER_SOFTWARE": "gunicorn",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8888",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "RAW_URI": PATH,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": "Bearer not-needed",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
    }


def _start_response(*_: object) -> Any:
    return None


if __name__ == "__main__":
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - our log has a line for each request
    print(json.dumps(main(*map(int, sys.argv[1:3]))))
