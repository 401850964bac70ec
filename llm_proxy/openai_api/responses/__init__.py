"""The Responses API: what it is asked, what it answers, and how that is streamed and stored."""
