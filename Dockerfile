FROM python:3.13-slim AS build

# pip works on the environment from outside, so neither it nor its cache is ever in there.
RUN python -m venv --without-pip /opt/venv
# Before the source: a change to the code does not install the packages again.
COPY requirements.txt /tmp/
# gevent and packaging are for the second of the two commands below.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
    -r /tmp/requirements.txt "gevent>=24.11,<27" "packaging>=24"

WORKDIR /app
COPY wsgi.py gunicorn.conf.py gevent.conf.py ./
COPY llm_proxy llm_proxy
# Bytecode is made here, as the server may not write it. It is valid by decree and not by the
# time of its source, which not every builder keeps. The modes are set because a checkout made
# under a strict umask holds files that only their owner can read.
RUN python -m compileall -q --invalidation-mode unchecked-hash . \
    && chmod -R u=rwX,go=rX .


FROM python:3.13-slim

# The server writes no bytecode: it does not own its files, and they may be read-only.
# Unbuffered, a line of the log is out before anything can kill the process.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8888

# At the path it was made in: its scripts name their interpreter by it.
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --from=build /app .

# Numbers, as Kubernetes' runAsNonRoot cannot tell whether a name is root. All files stay
# root's, so the server cannot change itself.
USER 10001:10001
EXPOSE 8888

# Python, as the image has no curl. No ProxyHandler: an http_proxy in the environment must not
# carry the check off the machine. An empty PORT counts as not set, as it does in the server.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os; from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ.get('PORT') or 8888}/health\", timeout=4)"]

# For hundreds of streams at once: docker run IMAGE gunicorn -c gevent.conf.py wsgi:app
#
# No shell: gunicorn is process 1 and gets SIGTERM itself. Running streams then have 60 s to
# end (gunicorn.conf.py), so stop with more patience than that: docker stop -t 70.
CMD ["gunicorn", "wsgi:app"]
