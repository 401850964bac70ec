"""How gunicorn serves us; `gunicorn.conf.py` in a checkout and the command `llm-proxy` read it.

Every setting can be overridden on the command line. `WEB_CONCURRENCY` sets the number of
worker processes; one is enough, as a worker here mostly waits.
"""

import gc
import itertools
import os
import select
import signal
import sys
from _thread import start_new_thread
from typing import Any

from llm_proxy.app import checked_settings
from llm_proxy.journal import progress
from llm_proxy.metrics import place as metrics_place
from llm_proxy.settings import SettingsError
from llm_proxy.shell import lifetime
from llm_proxy.sqlite import place
from llm_proxy.sqlite.database import DatabaseUnusable

try:
    # A worker that cannot start would be started again and again, so all is checked here.
    _server = checked_settings(os.environ).server
except SettingsError as error:
    sys.exit(str(error))

# A server that replaces itself (SIGUSR2) hands its own down to the new one.
os.environ.pop(metrics_place.FOLDER, None)

_host = f"[{_server.host}]" if ":" in _server.host else _server.host
bind = f"{_host}:{_server.port}"

# A stream holds its thread until it ends, and costs nothing while it waits: threads are
# simple, need no patched sockets, and sse over requests works in them as it is. Ours take turns,
# where gunicorn's own (`gthread`) get in each other's way as soon as a few are at work. Where
# hundreds of streams have something to say at once, greenlets do it at half the cost
# (`gevent_conf`).
worker_class = "llm_proxy.server.thread_worker.TurnWorker"

# As many streams as can run at once. Threads are started when they are first needed, and a
# large pool costs a request no more than a small one; one that waits takes some 50 KB. /health
# takes its turn among them, and should not have to wait for it.
threads = 1024

# Connections held at once, the idle ones between two requests included. Beyond it they
# wait in the backlog of the system. gunicorn keeps so many idle as this exceeds the threads.
worker_connections = 2048

# Not a limit for streams: the main thread shows that the worker is alive, whatever its
# other threads do. Only a process that hangs as a whole is replaced.
timeout = 60

# The file by which a worker shows that it is alive: in memory where that can be had, so that
# neither a slow disk nor a read-only file system gets in the way.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

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


GEVENT_TOO_LATE = (
    "--worker-class gevent patches Python when much is imported already, which breaks https to "
    "an upstream. For many streams: gunicorn -c gevent.conf.py wsgi:app in a checkout, "
    "llm-proxy mock --many-streams (or adapter) elsewhere."
)


def on_starting(arbiter: Any) -> None:
    """Refuse greenlets that come too late, and choose the file of the state that all workers
    share; not called on SIGHUP.

    It is chosen here, as here the address is known that the command line may have changed. The
    address may still be another server's, so only a worker that answers empties the state.
    """
    if "gevent" in arbiter.cfg.worker_class_str:
        from gevent import monkey  # the worker class has been loaded, so it is there

        if not monkey.is_module_patched("ssl"):
            sys.exit(GEVENT_TOO_LATE)
    address = arbiter.cfg.address[0]
    port = address[1] if isinstance(address, tuple) else 0
    try:
        place.choose(_server.journal, port, arbiter.cfg.workers, os.environ)
    except DatabaseUnusable as error:
        sys.exit(str(SettingsError([f"LLM_PROXY_JOURNAL: {error}"])))
    progress.share()
    metrics_place.begin(os.environ)


def pre_fork(arbiter: Any, worker: Any) -> None:
    """Let a worker count on where one has that is no more: so there are as few files as workers."""
    taken = {other.seat for other in arbiter.WORKERS.values()}
    worker.seat = next(number for number in itertools.count() if number not in taken)


def post_fork(_: Any, worker: Any) -> None:
    """Tell a new worker where it counts, let it tell the others how far it is with the journal,
    and know when to stop."""
    os.environ[metrics_place.SEAT] = str(worker.seat)
    progress.begin(worker.age)
    lifetime.watch(lambda: not worker.alive)


def post_worker_init(_: Any) -> None:
    """Have the garbage collector hold nobody up: a worker that has loaded makes hardly any garbage
    that it is needed for, and with a thousand streams open it would stop all of them for 150 ms.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays
    gc.set_threshold(10_000, 10, 20)


def child_exit(_: Any, worker: Any) -> None:
    """See to it that nobody waits for a worker that has ended, however that was; what it held is
    forgotten, and what it has counted stays."""
    progress.end(worker.age)
    if metrics_place.FOLDER in os.environ:
        # Imported once the folder is known, for the workers to come.
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.seat)  # type: ignore[no-untyped-call]


def on_exit(_: Any) -> None:
    """Leave no file behind that nobody could find again."""
    place.end(os.environ)
    metrics_place.end(os.environ)


def when_ready(arbiter: Any) -> None:
    """Do what `llm-proxy --supervised` promises to the program that started us."""
    if os.environ.get("LLM_PROXY_SUPERVISED"):
        print(arbiter.LISTENERS[0], flush=True)  # noqa: T201
        # No `threading.Thread`: its books do not know a greenlet again after a fork.
        start_new_thread(_stop_at_end_of_input, ())


def _stop_at_end_of_input() -> None:
    """Stop when whoever started us closes our standard input, or dies."""
    # No buffered reader, whose lock a worker would inherit as it was when it was forked. It is
    # waited for by `select`, as a greenlet must not block the process that it is part of.
    while select.select([0], [], [])[0] and os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
