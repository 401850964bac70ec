"""SQLite: what all workers of one server share, in one file. Knows no Flask and no JSON shape."""
