"""Decisions: which fixture answers a request, and what is to go wrong with the answer."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from llm_proxy.core.reply import Fact
from llm_proxy.errors import InternalError
from llm_proxy.mock.faults import NO_TROUBLE, Trouble
from llm_proxy.mock.faults.precedence import NO_FAULTS, Faults
from llm_proxy.mock.fixtures.facts import NAMED, Facts
from llm_proxy.mock.fixtures.fixture import Match
from llm_proxy.mock.fixtures.library import Fixtures

MATCHED: Mapping[str, Fact] = {"fixture": "matched"}
"""What is noted about a request that a fixture answers."""

MISSED: Mapping[str, Fact] = {"fixture": "missed"}
"""What is noted where fixtures were asked, and something else has to answer."""

MAX_TRIES = 10_000
"""So often a request may lose the race for a fixture; only a mistake of ours loses more."""


class Decision(Struct, frozen=True, kw_only=True):
    """The fixture that answers, if one does, and the trouble that its answer gets into.

    `facts` are those of the request where fixtures were asked at all.
    """

    match: Match | None = None
    trouble: Trouble = NO_TROUBLE
    facts: Facts | None = None


class Decisions:
    """Asks fixtures and faults, each of which depends on the other.

    A fixture may set faults, which are stronger than queued ones; and a request that gets an
    error instead of its answer must not use up a turn of a fixture, as it will be repeated.
    """

    def __init__(self, fixtures: Fixtures, faults: Faults) -> None:
        self._fixtures = fixtures
        self._faults = faults

    def decide(
        self,
        headers: Mapping[str, str],
        facts_of: Callable[[], Facts],
        *,
        stream: bool = False,
        further: bool = False,
    ) -> Decision:
        """Decide about one request. `further`: one whose trouble is decided already.

        Raises:
            InvalidRequest: the headers ask for a fault in a wrong way.
            NoFixtureMatch: they name a fixture that there is not, or that is used up.
            InternalError: no fixture could be got hold of, however often it was tried.
        """
        facts = facts_of() if self._fixtures or NAMED in headers else None
        trouble = NO_TROUBLE if further else None
        for _ in range(MAX_TRIES):
            found = None if facts is None else self._fixtures.find(facts)
            if trouble is None:
                faults = NO_FAULTS if found is None else found.match.fixture.faults
                trouble = self._faults.trouble(headers, faults, stream=stream)
            if found is None or trouble.replaces:
                return Decision(trouble=trouble, facts=facts)
            if self._fixtures.counted(found):
                return Decision(match=found.match, trouble=trouble, facts=facts)
        raise InternalError("The fixtures that match were used by others each time.")

    def why(self, facts: Facts | None) -> list[str]:
        """The fixtures that are nearest to a request without a match, each with its reasons."""
        return [] if facts is None else self._fixtures.why(facts)
