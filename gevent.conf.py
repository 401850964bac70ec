"""What `gunicorn -c gevent.conf.py wsgi:app` reads: the .env beside it, and our settings."""

from pathlib import Path

from dotenv import load_dotenv

# gunicorn, unlike `flask run`, reads no .env; HOST and PORT are needed before wsgi.py is.
load_dotenv(Path(__file__).with_name(".env"))

from llm_proxy.server.gevent_conf import *  # noqa: E402, F403
