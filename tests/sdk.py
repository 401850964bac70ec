"""The official openai client, as the tests use it."""

from openai import DefaultHttpxClient, OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from tests.servers import PATIENCE_SECONDS, Server


def client_of(server: Server, base: str, max_retries: int = 0) -> OpenAI:
    return OpenAI(
        base_url=server.url + base,
        api_key="x",
        max_retries=max_retries,
        timeout=PATIENCE_SECONDS,
        http_client=DefaultHttpxClient(trust_env=False),
        _strict_response_validation=True,
    )


def user(text: str) -> ChatCompletionUserMessageParam:
    return {"role": "user", "content": text}
