"""The WSGI entry point: `gunicorn wsgi:app`, `flask run`."""

import sys
from pathlib import Path

from dotenv import load_dotenv

from llm_proxy import create_app
from llm_proxy.settings import SettingsError

load_dotenv(Path(__file__).with_name(".env"))
try:
    app = create_app()
except SettingsError as error:
    sys.exit(str(error))
