"""How gunicorn serves it."""
