"""Embeddings of a real API: its answer is passed on as it is, and kept by input."""

from contextlib import closing

import msgspec

from llm_proxy.errors import UpstreamError
from llm_proxy.mock.recording.answer import document, limits_told
from llm_proxy.mock.recording.fixture import embedding_fixture, masking
from llm_proxy.mock.recording.shelf import Shelf, name_of
from llm_proxy.mock.recording.source import ORIGIN
from llm_proxy.mock.recording.upstream import Head, Upstream
from llm_proxy.namespaces import bearer_key
from llm_proxy.openai_api import embeddings as embedding
from llm_proxy.openai_api.decoder import Misunderstood
from llm_proxy.openai_api.resource import Answer, Call


class RecordingEmbeddings:
    """Answers `POST /embeddings` by the API that MOCK_RECORD names."""

    def __init__(self, upstream: Upstream, shelf: Shelf) -> None:
        self._upstream = upstream
        self._shelf = shelf

    def __call__(self, call: Call) -> Answer:
        """The API's answer; each input that is a text becomes a recording.

        Raises:
            InvalidRequest: as `openai_api.embeddings.parse` does.
            PassedOn: the API answered with an error.
            UpstreamError: it failed, or what it said is no answer.
        """
        asked = embedding.parse(call.document)
        sent = msgspec.json.decode(call.document)
        head, body = self._asked(sent, call)
        try:
            vectors, usage = embedding.vectors(body)
        except Misunderstood as error:
            raise _no_answer(str(error)) from None
        if len(vectors) != len(asked.inputs):
            raise _no_answer(f"{len(vectors)} embeddings for {len(asked.inputs)} inputs")
        masked = masking(self._upstream.secrets(bearer_key(call.headers)))
        for given, vector in zip(asked.inputs, vectors, strict=True):
            if isinstance(given, str):
                name = name_of(masked(given), {**sent, "input": given, "encoding_format": None})
                self._shelf.put(name, embedding_fixture(given, asked, vector, masked))
        return Answer(
            body=body, model=asked.model, usage=usage, origin=ORIGIN, limits=limits_told(head)
        )

    def _asked(self, sent: dict[str, object], call: Call) -> tuple[Head, bytes]:
        arrivals = self._upstream.ask("embeddings", sent, call.headers, stream=False)
        with closing(arrivals):
            head = next(arrived for arrived in arrivals if isinstance(arrived, Head))
            whole = next(whole for whole in document(head, arrivals) if whole is not None)
            return head, whole.received


def _no_answer(what: str) -> UpstreamError:
    return UpstreamError(
        f"The API that MOCK_RECORD names answered with what is no list of embeddings: {what}.",
        code="upstream_not_an_answer",
    )
