"""Threads, and what they do: at once, by turns, or behind. Knows nothing of what it is."""
