"""The command line: `llm-proxy`, or `python -m llm_proxy`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dotenv import load_dotenv

EPILOG = """\
All other settings come from the environment and from a file .env in the current folder.

examples:
  llm-proxy mock                          answer http://127.0.0.1:8888/v1 without a model
  MOCK_REPLY=echo llm-proxy mock          ... with what was asked
  STREAM_URL=http://search:8000/stream llm-proxy adapter
  llm-proxy mock --port 0 --supervised    from a test harness in any language
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Become a gunicorn that serves the chosen half at `/v1`; does not return."""
    parser = argparse.ArgumentParser(
        prog="llm-proxy",
        description="Serve OpenAI's API without a model behind it, or with a legacy search API "
        "behind it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("half", choices=("mock", "adapter"), help="the half that answers at /v1")
    parser.add_argument("--host", help="address to listen on (default: HOST, or 127.0.0.1)")
    parser.add_argument(
        "--port", help="port to listen on (default: PORT, or 8888); 0 picks a free one"
    )
    parser.add_argument(
        "--supervised",
        action="store_true",
        help="print the server's URL on standard output, alone on a line, once it listens, and "
        "stop when standard input ends",
    )
    options = parser.parse_args(arguments)

    load_dotenv(Path.cwd() / ".env")
    os.environ["LLM_PROXY_V1"] = options.half
    if options.host is not None:
        os.environ["HOST"] = options.host
    if options.port is not None:
        os.environ["PORT"] = options.port
    if options.supervised:
        os.environ["LLM_PROXY_SUPERVISED"] = "1"
    gunicorn = ["-m", "gunicorn", "--config", "python:llm_proxy.gunicorn_conf"]
    os.execv(sys.executable, [sys.executable, *gunicorn, "llm_proxy:create_app()"])


if __name__ == "__main__":
    main()
