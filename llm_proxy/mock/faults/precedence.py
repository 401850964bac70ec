"""Precedence: the one place that says which trouble a request gets, of all that was asked for."""

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from llm_proxy.core.reply import WireFault
from llm_proxy.mock.chance import share_of
from llm_proxy.mock.faults import NO_TROUBLE, FixtureFaults, Trouble
from llm_proxy.mock.faults.headers import asked_for
from llm_proxy.mock.faults.orders import FaultOrder, fault_order
from llm_proxy.mock.faults.rates import by_chance
from llm_proxy.mock.latest import Known
from llm_proxy.namespaces import namespace_of
from llm_proxy.openai_api.resource import Answer, Call, Resource
from llm_proxy.settings.chaos import Chaos
from llm_proxy.state import State

COUNTER = "chaos"
"""The counter of the requests whose trouble was left to chance, in each namespace."""

NO_FAULTS = FixtureFaults()
NO_CHAOS = Chaos()


class Faults:
    """What goes wrong with each request: as its headers say, else its fixture, else what is
    queued, else chance.

    The strongest of these that lets something fail decides alone; the weaker ones are not
    asked, so that nothing queued is used up. A delay is that of the strongest which was asked.
    """

    def __init__(self, state: State, chaos: Chaos, seed: int) -> None:
        self._state = state
        self._chaos = chaos
        self._seed = seed
        self._is_queued = Known(state, lambda: bool(state.scripted("fault")))

    def trouble(
        self,
        headers: Mapping[str, str],
        fixture: FixtureFaults = NO_FAULTS,
        *,
        stream: bool = False,
    ) -> Trouble:
        """The trouble of one request, whose headers have their names in lower case.

        Raises:
            InvalidRequest: the headers ask for it in a wrong way.
        """
        found = NO_TROUBLE
        for asked in self._by_strength(headers, fixture, stream):
            if asked is NO_TROUBLE:
                continue
            found = replace(asked, delay_seconds=found.delay_seconds or asked.delay_seconds)
            if found.fails:
                break
        return found

    def dressed(self, resource: Resource) -> Resource:
        """The resource with its troubles."""

        def answer(call: Call) -> Answer:
            return answered(self.trouble(call.headers), lambda: resource.answer(call))

        return replace(resource, answer=answer)

    def _by_strength(
        self, headers: Mapping[str, str], fixture: FixtureFaults, stream: bool
    ) -> Iterator[Trouble]:
        namespace = namespace_of(headers)
        yield asked_for(headers)
        yield _of_fixture(fixture, stream)
        if fixture.chaos is not None:
            yield self._by_chance(fixture.chaos, namespace)
        yield self._queued(namespace)
        if fixture.chaos is None:
            yield self._by_chance(self._chaos, namespace)

    def _queued(self, namespace: str) -> Trouble:
        queued = self._state.take("fault", namespace) if self._is_queued() else None
        return NO_TROUBLE if queued is None else fault_order(queued.document).trouble()

    def _by_chance(self, chaos: Chaos, namespace: str) -> Trouble:
        if chaos == NO_CHAOS:
            return NO_TROUBLE
        number = self._state.count(namespace, COUNTER)
        while not self._state.advance(namespace, COUNTER, number):
            number = self._state.count(namespace, COUNTER)
        return by_chance(chaos, lambda rate: share_of(self._seed, namespace, number, rate))


def answered(trouble: Trouble, answer: Callable[[], Answer]) -> Answer:
    """The answer of a resource with its trouble; one that is to fail is not worked out."""
    if trouble.error is not None:
        return Answer(error=trouble.error, delay_seconds=trouble.delay_seconds)
    return replace(answer(), delay_seconds=trouble.delay_seconds, fault=trouble.wire)


def _of_fixture(fixture: FixtureFaults, stream: bool) -> Trouble:
    if fixture.fault is not None:
        fault = fixture.fault
        return FaultOrder(
            kind=fault.kind, after_chunks=fault.after_chunks, seconds=fault.seconds
        ).trouble()
    if not stream or fixture is NO_FAULTS:
        return NO_TROUBLE
    after, after_ms = fixture.truncate_after_chunks, fixture.disconnect_after_ms
    return Trouble(
        wire=None if after is None else WireFault("disconnect", after),
        cut_after_seconds=None if after_ms is None else after_ms / 1000,
    )
