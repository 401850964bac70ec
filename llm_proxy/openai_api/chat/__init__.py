"""Chat completions: what is asked, what is answered, and what was stored."""
