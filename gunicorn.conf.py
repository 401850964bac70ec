"""How gunicorn serves us; a bare `gunicorn wsgi:app` in this folder reads it.

Every setting can be overridden on the command line. `WEB_CONCURRENCY` sets the number of
worker processes; one is enough, as a worker here mostly waits.
"""

import os
import sys
from pathlib import Path

from dotenv import load_dotenv

from llm_proxy import checked_settings
from llm_proxy.settings import SettingsError

# gunicorn, unlike `flask run`, reads no .env; HOST and PORT are needed before wsgi.py is.
load_dotenv(Path(__file__).with_name(".env"))
try:
    # A worker that cannot start would be started again and again, so all is checked here.
    _server = checked_settings(os.environ).server
except SettingsError as error:
    sys.exit(str(error))

_host = f"[{_server.host}]" if ":" in _server.host else _server.host
bind = f"{_host}:{_server.port}"

# A stream holds its thread until it ends, and costs nothing while it waits: threads are
# simple, need no patched sockets, and sse over requests works in them as it is.
worker_class = "gthread"

# As many streams as can run at once. Threads are started when they are first needed, and a
# large pool costs a request no more than a small one; /health takes its turn among them.
threads = 256

# Connections held at once, the idle ones between two requests included. Beyond it they
# wait in the backlog of the system.
worker_connections = 1024

# Not a limit for streams: with gthread the main thread shows that the worker is alive,
# whatever its other threads do. Only a process that hangs as a whole is replaced.
timeout = 60

# The file by which a worker shows that it is alive: in memory where that can be had, so that
# neither a slow disk nor a read-only file system gets in the way.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# On SIGTERM no new request is taken and running streams may end; this long, at most.
# Whoever stops us (Docker, systemd, Kubernetes) has to be at least as patient.
graceful_timeout = 60

# Longer than clients and load balancers keep an idle connection (60 s is common), so that
# they close it and never send a request into one that we are just closing.
keepalive = 75

# `gunicornc` could change a running server through a socket below the home folder, which a
# container or a read-only file system does not have. Signals do all that we need.
control_socket_disable = True

# Our own log has a line for each request, with what only we know of it.
accesslog = None
