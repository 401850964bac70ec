"""OpenAI's own Python client beside the conversations: completions, embeddings and the like.

Strict validation is on, but where the types of the client do not allow what OpenAI answers.
"""

import asyncio
import base64
import math
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.sdk import user
from tests.servers import Server
from tests.test_clients_openai import async_client_of

INSTRUCT = "gpt-3.5-turbo-instruct"
SMALL = "text-embedding-3-small"
LARGE = "text-embedding-3-large"


@pytest.fixture(scope="module")
def lenient(client: OpenAI) -> OpenAI:
    """The client as users have it.

    A strict one refuses, from OpenAI too, completion chunks without a finish reason, vectors
    in base64 before it has unpacked them, and stored messages that are not the assistant's.
    """
    return client.copy(_extra_kwargs={"_strict_response_validation": False})


def test_a_stored_completion_is_found_changed_and_deleted(client: OpenAI, lenient: OpenAI) -> None:
    made = client.chat.completions.create(
        model="gpt-4o", messages=[user("keep me")], store=True, metadata={"topic": "keeping"}
    )
    kept = client.chat.completions.retrieve(made.id)
    assert (kept.id, kept.choices) == (made.id, made.choices)
    listed = client.chat.completions.list(metadata={"topic": "keeping"})
    assert [one.id for one in listed] == [made.id]

    changed = client.chat.completions.update(made.id, metadata={"topic": "changed"})
    assert changed.id == made.id
    assert list(client.chat.completions.list(metadata={"topic": "keeping"})) == []
    assert [one.id for one in client.chat.completions.list(metadata={"topic": "changed"})] == [
        made.id
    ]

    [message] = lenient.chat.completions.messages.list(made.id)
    assert (message.role, message.content) == ("user", "keep me")

    assert client.chat.completions.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


def test_the_client_turns_the_pages_of_stored_completions(client: OpenAI) -> None:
    made = [
        client.chat.completions.create(
            model="gpt-4o", messages=[user("x")], store=True, metadata={"topic": "pages"}
        ).id
        for _ in range(5)
    ]
    listed = client.chat.completions.list(metadata={"topic": "pages"}, limit=2)
    assert [one.id for one in listed] == made


def test_a_streamed_completion_is_stored_too(client: OpenAI) -> None:
    with client.chat.completions.create(
        model="gpt-4o", messages=[user("one two")], store=True, stream=True
    ) as stream:
        name = {chunk.id for chunk in stream}.pop()
    assert client.chat.completions.retrieve(name).choices[0].message.content == "one two"


def test_only_a_fine_tuned_model_is_deleted(client: OpenAI) -> None:
    name = "ft:gpt-4o:acme::abc123"
    assert client.models.delete(name).model_dump() == {
        "id": name,
        "deleted": True,
        "object": "model",
    }
    with pytest.raises(openai.BadRequestError, match="gpt-4o"):
        client.models.delete("gpt-4o")


def test_a_completion_continues_a_prompt(client: OpenAI) -> None:
    completion = client.completions.create(
        model=INSTRUCT, prompt="one two three", suffix="four", max_tokens=50, temperature=0
    )
    [choice] = completion.choices
    assert (choice.index, choice.text, choice.finish_reason) == (0, "one two three", "stop")
    assert completion.object == "text_completion"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (4, 4)


def test_a_streamed_completion_folds_to_the_whole_one(lenient: OpenAI) -> None:
    with lenient.completions.create(
        model=INSTRUCT,
        prompt="one two three",
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *chunks, last = stream
    choices = [chunk.choices[0] for chunk in chunks]
    assert "".join(choice.text for choice in choices) == "one two three"
    reasons = [choice.finish_reason for choice in choices]
    assert reasons == [None] * (len(choices) - 1) + ["stop"]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 8
    assert len({chunk.id for chunk in [*chunks, last]}) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_completion_repeats_its_prompt_on_demand(lenient: OpenAI, stream: bool) -> None:
    asked: Any = {"model": INSTRUCT, "prompt": "one two", "echo": True, "stream": stream}
    answer: Any = lenient.completions.create(**asked)
    parts = [answer] if not stream else list(answer)
    assert "".join(part.choices[0].text for part in parts) == "one twoone two"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_several_prompts_have_their_choices_in_one_row(lenient: OpenAI, stream: bool) -> None:
    asked: Any = {"model": INSTRUCT, "prompt": ["a b", "c d"], "n": 2, "stream": stream}
    answer: Any = lenient.completions.create(**asked)
    texts = [""] * 4
    for part in [answer] if not stream else answer:
        for choice in part.choices:
            texts[choice.index] += choice.text
    assert texts == ["a b", "a b", "c d", "c d"]


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]]], ids=["one", "two"])
def test_a_prompt_may_be_tokens(client: OpenAI, prompt: Any) -> None:
    completion = client.completions.create(model=INSTRUCT, prompt=prompt)
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 3


def test_a_completion_is_cut_and_tells_log_probabilities(client: OpenAI) -> None:
    [choice] = client.completions.create(
        model=INSTRUCT, prompt="one two three four", max_tokens=2, logprobs=2
    ).choices
    assert (choice.text, choice.finish_reason) == ("one two ", "length")
    assert choice.logprobs is not None
    assert "".join(choice.logprobs.tokens or []) == "one two "
    [choice] = client.completions.create(model=INSTRUCT, prompt="one two", stop=["two"]).choices
    assert (choice.text, choice.finish_reason) == ("one ", "stop")


def test_an_embedding_is_the_same_in_base64_and_in_numbers(lenient: OpenAI) -> None:
    packed = lenient.embeddings.create(model=SMALL, input="The cat sat.")  # base64, unpacked
    plain = lenient.embeddings.create(model=SMALL, input="The cat sat.", encoding_format="float")
    assert list(packed.data[0].embedding) == plain.data[0].embedding
    assert len(plain.data[0].embedding) == 1536
    assert math.isclose(math.hypot(*plain.data[0].embedding), 1, rel_tol=1e-5)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens == 3


def test_embeddings_come_in_the_order_of_the_inputs(lenient: OpenAI) -> None:
    texts = ["the cat sat on the mat", "a cat sat on a mat", "quarterly revenue grew"]
    together = lenient.embeddings.create(model=SMALL, input=texts)
    assert [one.index for one in together.data] == [0, 1, 2]
    alone = [lenient.embeddings.create(model=SMALL, input=text).data[0] for text in texts]
    assert [one.embedding for one in together.data] == [one.embedding for one in alone]
    first, like, unlike = (one.embedding for one in together.data)
    assert math.dist(first, like) < math.dist(first, unlike)


def test_an_embedding_has_the_dimensions_asked_for(lenient: OpenAI) -> None:
    def length(**options: Any) -> int:
        made = lenient.embeddings.create(model=LARGE, input="hello", **options)
        return len(made.data[0].embedding)

    assert (length(), length(encoding_format="float")) == (3072, 3072)
    assert (length(dimensions=256), length(dimensions=256, encoding_format="float")) == (256, 256)


def test_base64_that_is_asked_for_is_not_unpacked(lenient: OpenAI) -> None:
    made = lenient.embeddings.create(
        model=LARGE, input="hello", dimensions=256, encoding_format="base64"
    )
    packed: Any = made.data[0].embedding
    assert len(base64.b64decode(packed)) == 4 * 256


@pytest.mark.parametrize(
    ("tokens", "count"), [([1, 2, 3], 1), ([[1, 2], [3]], 2)], ids=["one", "two"]
)
def test_tokens_are_embedded(lenient: OpenAI, tokens: Any, count: int) -> None:
    made = lenient.embeddings.create(model=SMALL, input=tokens)
    assert len(made.data) == count
    assert made.usage.prompt_tokens == 3


def test_an_empty_input_is_not_embedded(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=SMALL, input="")
    assert caught.value.param == "input"


def test_only_what_is_marked_is_flagged(client: OpenAI) -> None:
    moderated = client.moderations.create(
        model="omni-moderation-latest", input=["Good morning!", "[flag:violence] Run!"]
    )
    harmless, harmful = moderated.results
    assert (harmless.flagged, harmful.flagged) == (False, True)
    assert harmful.categories.violence
    assert harmful.category_scores.violence > 0.9 > harmful.category_scores.hate
    assert harmful.category_applied_input_types.violence == ["text"]


def test_images_are_moderated_with_their_text(client: OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/[flag:violence].png"}}
    item: Any = [{"type": "text", "text": "Look at this."}, image]
    moderated = client.moderations.create(input=item)
    [result] = moderated.results
    assert result.flagged
    assert result.category_applied_input_types.violence == ["text", "image"]


def test_the_asynchronous_client_gets_the_same(server: Server) -> None:
    async def ask() -> tuple[Any, ...]:
        async with async_client_of(server, strict=False) as client:
            stream = await client.completions.create(model=INSTRUCT, prompt="a b", stream=True)
            async with stream:
                text = "".join([chunk.choices[0].text async for chunk in stream])
            embedded, moderated, listed = await asyncio.gather(
                client.embeddings.create(model=SMALL, input="hello"),
                client.moderations.create(input="hello"),
                client.chat.completions.list(metadata={"topic": "none"}),
            )
            return text, embedded, moderated, listed

    text, embedded, moderated, listed = asyncio.run(ask())
    assert text == "a b"
    assert len(embedded.data[0].embedding) == 1536
    assert [result.flagged for result in moderated.results] == [False]
    assert listed.data == []
