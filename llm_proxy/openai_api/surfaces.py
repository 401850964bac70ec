"""The table of surfaces: what both halves mount below each base."""

from llm_proxy.openai_api import chat

SURFACES = (chat.SURFACE,)
