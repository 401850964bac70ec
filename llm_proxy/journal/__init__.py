"""The journal: what was asked and how it ended, as far as it is kept. Knows no Flask."""
