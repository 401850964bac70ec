"""The tables: the surfaces and the resources that both halves mount below each base."""

from llm_proxy.openai_api import completions, fim
from llm_proxy.openai_api.chat import answer as chat
from llm_proxy.openai_api.chat import stored as chat_stored
from llm_proxy.openai_api.responses import request as responses
from llm_proxy.openai_api.responses import stored as responses_stored

SURFACES = (chat.SURFACE, completions.SURFACE, fim.SURFACE, responses.SURFACE)

STORED_RESOURCES = (*chat_stored.RESOURCES, *responses_stored.RESOURCES)
