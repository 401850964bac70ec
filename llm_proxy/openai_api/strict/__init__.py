"""What OpenAI refuses although its types are right; `rules` has the table."""
