"""The mock's embeddings: from a fixture, from a real API that is recorded, or made up."""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from llm_proxy.mock.decisions import MATCHED, MISSED, Decision, Decisions
from llm_proxy.mock.faults.precedence import answered
from llm_proxy.mock.fixtures.facts import embedding_facts
from llm_proxy.mock.fixtures.fixture import Embedded, Failed
from llm_proxy.mock.vectors import vector
from llm_proxy.openai_api import embeddings as embedding
from llm_proxy.openai_api.embeddings import EmbeddingRequest
from llm_proxy.openai_api.resource import Answer, Call


class Embeddings:
    """`POST /embeddings`: one vector for each input."""

    def __init__(
        self, decisions: Decisions, recorder: Callable[[Call], Answer] | None = None
    ) -> None:
        self._decisions = decisions
        self._recorder = recorder

    def __call__(self, call: Call) -> Answer:
        """The vectors, with all that is to go wrong with them.

        Raises:
            InvalidRequest: as `openai_api.embeddings.parse` does.
            NoFixtureMatch: the request names a fixture that there is not.
        """
        asked = embedding.parse(call.document)
        decision = self._decisions.decide(
            call.headers, lambda: embedding_facts(asked, call.headers)
        )
        return answered(decision.trouble, lambda: self._answer(call, asked, decision))

    def _answer(self, call: Call, asked: EmbeddingRequest, decision: Decision) -> Answer:
        origin, notes = "", () if decision.facts is None else (MISSED,)
        vectors: Iterable[Sequence[float]] = (vector(one, asked.dimensions) for one in asked.inputs)
        if decision.match is not None:
            origin, notes = f"fixture {decision.match.fixture.label}", (MATCHED,)
            match decision.match.fixture.response:
                case Failed() as failed:
                    error = failed.error()
                    return Answer(error=error, model=asked.model, origin=origin, notes=notes)
                case Embedded(written):
                    vectors = [written] * len(asked.inputs)
        elif self._recorder is not None:
            return replace(self._recorder(call), notes=notes)
        usage = asked.usage(call.tokenizer)
        body = embedding.body(vectors, asked, usage)
        return Answer(body=body, model=asked.model, usage=usage, origin=origin, notes=notes)
