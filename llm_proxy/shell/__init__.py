"""Between WSGI and the sources: requests, answers, time and the client's connection.

Knows neither half, and JSON only by `openai_api`.
"""
