"""Recording: a real OpenAI-compatible API is asked, and its answers become fixtures."""
