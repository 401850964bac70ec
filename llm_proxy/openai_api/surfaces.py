"""The tables: the surfaces and the resources that both halves mount below each base."""

from llm_proxy.openai_api import chat, chat_stored, completions, fim
from llm_proxy.openai_api.responses import request as responses
from llm_proxy.openai_api.responses import stored as responses_stored

SURFACES = (chat.SURFACE, completions.SURFACE, fim.SURFACE, responses.SURFACE)

STORED_RESOURCES = (*chat_stored.RESOURCES, *responses_stored.RESOURCES)
