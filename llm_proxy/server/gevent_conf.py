"""How gunicorn serves many streams at once: by greenlets. Otherwise as `gunicorn_conf` has it.

`gevent.conf.py` in a checkout and `llm-proxy --many-streams` read it.
"""

import sys

try:
    from gevent import monkey
except ImportError:
    sys.exit("Serving by greenlets needs gevent: pip install 'llm-proxy[gevent]', or gevent itself")

# Before anything else is imported: urllib3 keeps classes of `ssl` that recurse without end once
# the module has been patched under its hands.
monkey.patch_all()

from llm_proxy.server.gunicorn_conf import *  # noqa: E402, F403

worker_class = "llm_proxy.server.gevent_worker.StreamWorker"

# All of them can stream: a greenlet costs no more than its request.
worker_connections = 4096
