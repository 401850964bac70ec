"""One exchange and what became of it, while it goes on, and the line that tells of it."""
