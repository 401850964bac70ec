"""A request of the journal as a command for a shell, which repeats it.

Everything in it was made up by some client: nothing of it may mean anything to the shell, or
more than itself to curl. It holds no key.
"""

import shlex
import string
from collections.abc import Iterator
from urllib.parse import quote

from llm_proxy.control.asked import refuse_unkept, sent
from llm_proxy.journal.entry import Found

_LEFT_OUT = frozenset({"host", "content-length", "connection", "accept-encoding", "content-type"})
"""Headers that curl makes up by itself, or that say how the client was connected."""

MAX_ARGUMENT_BYTES = 100_000
"""Linux starts no command with a longer argument than 128 KiB (execve(2), E2BIG)."""

_IN_A_PATH = "/:@!$&'()*+,;="
_IN_A_QUERY = string.punctuation.replace("#", "")


def curl(found: Found, server: str) -> str:
    """A command for a shell as in POSIX that repeats the request at `server`.

    Raises:
        NotServed: it was too long to be kept.
    """
    refuse_unkept(found)
    body = sent(found) if found.entry.request_bytes else ""
    options = list(_options(found))
    begin = f"curl -sS -g --path-as-is {shlex.quote(server + _target(found))}"
    if len(body.encode()) > MAX_ARGUMENT_BYTES:
        # The shell does that by itself, and is not bound by the limit.
        begin = f"printf %s {shlex.quote(body)} | {begin}"
        options.append("--data-binary @-")
    elif body:
        options.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join([begin, *options]) + "\n"


def _target(found: Found) -> str:
    """The path, which the server has decoded, and the query, which stands as it was sent."""
    query = found.details["query"]
    path = quote(found.entry.path, safe=_IN_A_PATH)
    return path + (f"?{quote(query, safe=_IN_A_QUERY, encoding='latin-1')}" if query else "")


def _options(found: Found) -> Iterator[str]:
    entry, details = found.entry, found.details
    # curl waits for the body of a HEAD that it is not told of in this way.
    yield "-I" if entry.method == "HEAD" else f"-X {shlex.quote(entry.method)}"
    if entry.stream:
        yield "-N"
    if details["keyFingerprint"]:
        yield '-H "Authorization: Bearer $OPENAI_API_KEY"'
    for name, value in details["headers"].items():
        if name not in _LEFT_OUT:
            yield f"-H {shlex.quote(f'{name}: {value}')}"
    if entry.request_bytes:
        yield "-H 'Content-Type: application/json'"
