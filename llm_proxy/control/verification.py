"""Verification: whether requests came that match, and so often as they should."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from llm_proxy.control.asked import EMBEDDINGS, chat_asked, embeddings_asked
from llm_proxy.control.fields import refuse_unknown
from llm_proxy.errors import InvalidRequest
from llm_proxy.journal.entry import Found
from llm_proxy.mock.fixtures import parsing
from llm_proxy.mock.fixtures.facts import CONTEXT, Facts, embedding_facts, facts_of
from llm_proxy.mock.fixtures.matching import failures
from llm_proxy.mock.fixtures.problems import BrokenFixtures
from llm_proxy.openai_api.decoding import decode_body

NEAREST = 3

KEPT = frozenset(("endpoint", "model", "toolName", "context", "namespace"))
"""Fields of a match that are known of a request, even if it was too long to be kept."""

Times = Annotated[int, Meta(ge=0)]


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """So often at least, and at most (None: as often as may be)."""

    min: Times = 0
    max: Times | None = None


class VerifyBody(Struct, frozen=True, kw_only=True):
    """Which requests are meant, as fixtures have it, and how often they should have come."""

    match: dict[str, Any]
    times: Times | Range = Range(1)
    namespace: str | None = None


def asked(document: bytes) -> tuple[VerifyBody, Callable[[Facts], Sequence[str]]]:
    """What is to be verified, and what tells why a request does not match.

    Raises:
        InvalidRequest: that is not what the body says; `param` names the field.
    """
    body, sent = decode_body(document, VerifyBody, {})
    refuse_unknown(sent, VerifyBody)
    of_vectors = body.match.get("endpoint") == "embedding" or "inputText" in body.match
    response: dict[str, Any] = {"embedding": [0.0]} if of_vectors else {"content": ""}
    if "sequenceIndex" in body.match:
        raise InvalidRequest("'sequenceIndex' tells nothing of a request.", param="match")
    try:
        fixture = parsing.fixture({"match": body.match, "response": response}, "", 1)
    except BrokenFixtures as error:
        told = " ".join(problem.message for problem in error.problems)
        raise InvalidRequest(told, param="match") from None
    return body, lambda facts: list(failures(fixture, facts))


def verified(
    body: VerifyBody, why_not: Callable[[Facts], Sequence[str]], exchanges: Iterable[Found]
) -> dict[str, Any]:
    """What came of it: `ok`, how many `matched` and their ids.

    If they were too few, `nearest` are those that failed on the fewest fields, and on which.
    Requests of which it is not known, as they were too long to be kept, are `unknown`: what
    depends on them is not `ok`.
    """
    matched: list[str] = []
    unknown: list[str] = []
    missed: list[tuple[int, Found, Sequence[str]]] = []
    for found in exchanges:
        kept = not found.entry.is_too_long
        if (facts := _facts(found) if kept else _outlined(found)) is None:
            continue
        reasons = [why for why in why_not(facts) if kept or why.partition(":")[0] in KEPT]
        if reasons:
            missed.append((len(reasons), found, reasons))
        elif kept or KEPT.issuperset(body.match):
            matched.append(found.entry.id)
        else:
            unknown.append(found.entry.id)
    times = body.times if isinstance(body.times, Range) else Range(body.times, body.times)
    enough = len(matched) >= times.min
    missed.sort(key=lambda one: one[0])  # of those that are as near, the newest stay first
    return {
        "ok": enough and (times.max is None or len(matched) + len(unknown) <= times.max),
        "matched": len(matched),
        "times": {"min": times.min, "max": times.max},
        "requests": matched,
        "unknown": unknown,
        "nearest": [] if enough else [_near(found, why) for _, found, why in missed[:NEAREST]],
    }


def _near(found: Found, reasons: Sequence[str]) -> Mapping[str, Any]:
    entry = found.entry
    return {"id": entry.id, "path": entry.path, "question": entry.question, "failed": reasons}


def _facts(found: Found) -> Facts | None:
    """What a match can ask of the request; None if it was none that can be matched."""
    headers = found.details["headers"]
    if (request := embeddings_asked(found)) is not None:
        facts = embedding_facts(request, headers)
    elif (chat := chat_asked(found)) is not None:
        facts = facts_of(chat)
        facts.context = headers.get(CONTEXT) or None
    else:
        return None
    facts.namespace = found.entry.namespace  # it may be that of a key, which is not kept
    return facts


def _outlined(found: Found) -> Facts | None:
    """What is known of a request that was too long to be kept: the fields in `KEPT`."""
    entry, told = found.entry, found.details["understood"]
    of_vectors = entry.path.endswith(EMBEDDINGS) and entry.model is not None
    if not (told or of_vectors):
        return None
    return Facts(
        endpoint=told["endpoint"] if told else "embedding",
        model=entry.model or "",
        namespace=entry.namespace,
        context=found.details["headers"].get(CONTEXT) or None,
        tools=frozenset(told["tools"] if told else ()),
    )
