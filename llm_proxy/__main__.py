"""The command line: `python -m llm_proxy mock` and `python -m llm_proxy adapter`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

GUNICORN_CONF = Path(__file__).resolve().parent.parent / "gunicorn.conf.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Become a gunicorn that serves the chosen half at `/v1`; does not return."""
    parser = argparse.ArgumentParser(
        prog="llm-proxy",
        description="Serve OpenAI's API without a model behind it, or with a legacy search API "
        "behind it. All other settings come from the environment and from .env.",
    )
    parser.add_argument("half", choices=("mock", "adapter"), help="the half that answers at /v1")
    parser.add_argument("--host", help="address to listen on (default: HOST, or 127.0.0.1)")
    parser.add_argument("--port", help="port to listen on (default: PORT, or 8888)")
    options = parser.parse_args(arguments)

    os.environ["LLM_PROXY_V1"] = options.half
    if options.host is not None:
        os.environ["HOST"] = options.host
    if options.port is not None:
        os.environ["PORT"] = options.port
    gunicorn = ["-m", "gunicorn", "--config", str(GUNICORN_CONF), "llm_proxy:create_app()"]
    os.execv(sys.executable, [sys.executable, *gunicorn])


if __name__ == "__main__":
    main()
