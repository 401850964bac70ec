"""Canned replies: what the mock says when nobody told it what to say."""

REPLIES = (
    "Based on the context, I recommend this approach: keep the change small, cover it with a "
    "test that fails today, and let the names say what each part is for.",
    "The structure is sound. I would move the parsing out of the request handler, so that it "
    "can be tested without a server, and return early when the input is empty.",
    "This works, but one case is missing: the list can be empty. Check for it first, and say "
    "in the error which field was expected.",
    "Two things stand out. The loop does the same lookup on every turn, and the timeout has no "
    "unit in its name. Hoist the lookup and call it timeout_seconds.",
    "I would begin with the test. Describe the behaviour you want in one sentence, make that "
    "sentence the name of the test, and write the least code that passes it.",
    "The function has two jobs: it fetches the data and it decides what to do with it. Split "
    "it there; the second half then needs no network to be tested.",
    "That looks right to me. Before merging, run it once with a large input and once with "
    "none, and put both into the test suite.",
    "The error is swallowed here. Let it rise to the caller, or log it with enough context "
    "that somebody can find the cause at three in the morning.",
    "A dictionary would make this simpler than the chain of conditions: one row for each case, "
    "and the default spelled out.",
    "Consider what happens when two requests arrive at once. The counter is shared and not "
    "guarded; a lock or a single owner would settle it.",
    "Nothing here depends on the framework, so it need not know about it. Take the values as "
    "arguments and leave the request object at the door.",
    "I agree with the direction. I would only change the order: validate everything first, "
    "then act, so that a bad request leaves no half-finished work behind.",
)


def canned_reply(number: int) -> str:
    """The reply that belongs to `number`."""
    return REPLIES[number % len(REPLIES)]
