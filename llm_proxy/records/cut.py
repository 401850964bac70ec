"""Texts that are cut and out of which secrets are taken: no part of one is left at the end."""

MAX_SECRET = 1024
"""So much more of a text is looked at than is kept, in the units in which it is cut."""


def beginning(clean: str, length: int, most: int) -> str:
    """At most so many characters of a text from which secrets have been taken.

    Of one that was as long as may be looked at, `length`, before they were, the end is left out:
    it may be the first part of one, which nobody can tell.
    """
    return (clean if length < most + MAX_SECRET else clean[:-MAX_SECRET])[:most]
