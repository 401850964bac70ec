"""Extracts: a title and a summary of a conversation, made of its own words.

Pure: text in, text out. Nothing is understood; what is said often, and first, stands for the
rest.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from llm_proxy.adapter.citations import HEADING
from llm_proxy.core.chat_request import Message

TITLE_WORDS = 4
TITLE_CHARACTERS = 60
"""Continue lets a title have 16 tokens, of about four characters each."""

UNTITLED = "Untitled"

EXCERPT_CHARACTERS = 400
SUMMARY_MESSAGES = 60
READ_CHARACTERS = 20_000
"""How much of a text is looked at."""

_FENCED = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]\[]*)\]\([^()\s]*\)|https?://\S+")
_MARKS = re.compile(r"[*`#>~\[\]]+|(?<![^\W_])_+|_+(?![^\W_])")
_WORD = re.compile("[^\\W_]+(?:['\u2019._-][^\\W_]+)*")
_SENTENCE_END = re.compile("(?<=[.!?\u2026\u3002\uff01\uff1f])\\s+")

_EMPTY_WORDS = """
about above after again all also and any are based because been before being below between both
but can cannot could did does doing don't down during each few for from further get had has have
having her here hers him his how into isn't it's its itself just let's like may more most much
must not now off once only other our ours out over own please same she should some such tell than
that that's the their them then there these they this those through too under until use used using
very want was way were what what's when where which while who whom why will with would yes you
your yours
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())
"""English words that say nothing of what a text is about."""


def title(texts: Sequence[str]) -> str:
    """At most four words of a conversation, as they stand in it.

    They are those said most often of the first text that holds two words that mean something.
    """
    spoken = [_meaningful(plain(text[:READ_CHARACTERS])) for text in texts]
    pool = next((words for words in spoken if len(words) > 1), None)
    pool = pool or next(filter(None, spoken), None) or _any_words(texts)
    times = Counter(word.casefold() for words in spoken for word in words)
    distinct = {word.casefold(): word for word in reversed(pool)}
    first = [distinct[key] for key in dict.fromkeys(word.casefold() for word in pool)]
    often = sorted(first, key=lambda word: -times[word.casefold()])[:TITLE_WORDS]
    chosen = [word for word in first if word in often]
    while len(" ".join(chosen)) > TITLE_CHARACTERS:
        chosen.pop()
    return " ".join(chosen) or UNTITLED


def summary(messages: Iterable[Message]) -> str:
    """One line for each thing that was said: who said it, and how it begins."""
    said = [(message.role, excerpt(message.text)) for message in messages]
    lines = [
        f"- {role.capitalize()}: {text}"
        for role, text in said
        if text and role in ("user", "assistant")
    ]
    if len(lines) > SUMMARY_MESSAGES:
        half = SUMMARY_MESSAGES // 2
        lines = [*lines[:half], "- …", *lines[-half:]]
    return "\n".join(lines)


def excerpt(text: str) -> str:
    """Whole sentences from the beginning of a text, on one line; a long one is cut."""
    kept = ""
    for sentence in _SENTENCE_END.split(" ".join(plain(text[:READ_CHARACTERS]).split())):
        if kept and len(kept) + len(sentence) >= EXCERPT_CHARACTERS:
            break
        kept = f"{kept} {sentence}".strip()
    if len(kept) <= EXCERPT_CHARACTERS:
        return kept
    return kept[: EXCERPT_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"


def plain(text: str) -> str:
    """A text without its citations, its code, its links' addresses and its Markdown."""
    text = text.partition(HEADING)[0]
    text = _FENCED.sub(" ", text)
    text = _LINK.sub(lambda link: link[1] or " ", text)
    return _MARKS.sub("", text)


def _meaningful(text: str) -> list[str]:
    return [
        word
        for word in _WORD.findall(text)
        if 2 < len(word) <= TITLE_CHARACTERS // 2 and word.casefold() not in _EMPTY
    ]


def _any_words(texts: Sequence[str]) -> list[str]:
    found = (_WORD.findall(text[:READ_CHARACTERS]) for text in texts)
    return [word[:TITLE_CHARACTERS] for word in next(filter(None, found), [])][:TITLE_WORDS]
