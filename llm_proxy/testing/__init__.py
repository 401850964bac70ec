"""For tests of programs that call OpenAI's API: a pytest plugin, and what it is made of."""
