"""The command line: `llm-proxy mock`, `adapter`, `validate` and `report`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from dotenv import load_dotenv

EPILOG = """\
Settings come from the environment and from a file .env in the current folder; the README lists
them. llm-proxy COMMAND --help tells what a command takes.

examples:
  llm-proxy mock                          answer http://127.0.0.1:8888/v1 without a model
  MOCK_REPLY=echo llm-proxy mock          ... with what was asked
  MOCK_FIXTURES=fixtures llm-proxy mock   ... with what the files in a folder say
  STREAM_URL=http://search:8000/stream llm-proxy adapter
  llm-proxy validate --strict fixtures    check them, as in CI
  llm-proxy report                        tell what a client did about failures, as in CI
  llm-proxy mock --port 0 --supervised    from a test harness in any language
"""

HALVES = {
    "mock": "serve OpenAI's API without a model behind it at /v1",
    "adapter": "serve OpenAI's API with a legacy search API behind it at /v1",
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Become a gunicorn that serves the chosen half at `/v1`, or check fixtures and exit."""
    parser = argparse.ArgumentParser(
        prog="llm-proxy",
        description="OpenAI's API without a model behind it, or with a legacy search API "
        "behind it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_address(parser, default=None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for half, purpose in HALVES.items():
        serving = commands.add_parser(
            half, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}."
        )
        # Without a default of their own, lest they undo what stands before the command.
        _add_address(serving, default=argparse.SUPPRESS)
        serving.add_argument(
            "--supervised",
            action="store_true",
            help="print the server's URL on standard output, alone on a line, once it listens, "
            "and stop when standard input ends",
        )
        serving.add_argument(
            "--many-streams",
            action="store_true",
            help="serve by greenlets in place of threads, for hundreds of streams at once "
            "(needs gevent)",
        )
    checking = commands.add_parser(
        "validate", help="check fixtures: exit with 1 if they cannot be used"
    )
    checking.add_argument("path", type=Path, help="a file or a folder of fixtures, YAML or JSON")
    checking.add_argument("--strict", action="store_true", help="exit with 1 on warnings, too")
    reporting = commands.add_parser(
        "report", help="tell what clients did about failures: exit with 1 if that was wrong"
    )
    reporting.add_argument(
        "--url", default="http://127.0.0.1:8888", help="the server (default: %(default)s)"
    )
    reporting.add_argument("--namespace", help="only what belongs to it")
    options = parser.parse_args(arguments)

    if options.command == "validate":
        sys.exit(_validate(options.path, options.strict))
    if options.command == "report":
        sys.exit(_report(options.url, options.namespace))
    _serve(options)


def _add_address(parser: argparse.ArgumentParser, default: str | None) -> None:
    host, port = "address to listen on (default: HOST, or 127.0.0.1)", "port to listen on"
    parser.add_argument("--host", default=default, help=host)
    parser.add_argument(
        "--port", default=default, help=f"{port} (default: PORT, or 8888); 0 picks a free one"
    )


def _serve(options: argparse.Namespace) -> NoReturn:
    load_dotenv(Path.cwd() / ".env")
    os.environ["LLM_PROXY_V1"] = options.command
    if options.host is not None:
        os.environ["HOST"] = options.host
    if options.port is not None:
        os.environ["PORT"] = options.port
    if options.supervised:
        os.environ["LLM_PROXY_SUPERVISED"] = "1"
    configuration = "gevent_conf" if options.many_streams else "gunicorn_conf"
    gunicorn = ["-m", "gunicorn", "--config", f"python:llm_proxy.server.{configuration}"]
    os.execv(sys.executable, [sys.executable, *gunicorn, "llm_proxy:create_app()"])


def _validate(path: Path, strict: bool) -> int:
    """Tell what is wrong with fixtures, a line for each thing; the exit code."""
    from llm_proxy.mock.fixtures.loading import loaded  # not needed to become another program

    found = loaded(path)
    lines = [f"error: {problem}" for problem in found.problems]
    lines += [f"warning: {warning}" for warning in found.warnings]
    lines.append(
        f"{len(found.fixtures)} good fixtures, {len(found.problems)} errors, "
        f"{len(found.warnings)} warnings"
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(bool(found.problems) or (strict and bool(found.warnings)))


def _report(url: str, namespace: str | None) -> int:
    """Tell what a server knows of its clients; the exit code, which is 2 if it cannot be asked."""
    from llm_proxy.control.asking import ServerSilent, asked_report
    from llm_proxy.control.report import lines

    try:
        told = asked_report(url, namespace, os.environ.get("OPENAI_API_KEY", ""))
    except ServerSilent as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in lines(told)))
    return int(not told.ok)


if __name__ == "__main__":
    main()
