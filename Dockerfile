# One image for web, worker, simulator and commands; docker-compose.yml shows each one's command.

# Any image with Python 3.11 and pip on Debian 12 will do: `make image BASE=...`. The digest is that of all architectures together.
ARG BASE=docker.io/library/python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY stack/bootstrap.txt ./
RUN pip install --quiet --no-cache-dir --require-hashes -r bootstrap.txt
COPY requirements.txt requirements-tracing.txt ./
# requirements-tracing.txt: with OpenTelemetry's packages.
ARG REQUIREMENTS=requirements.txt
RUN python -m venv --without-pip /venv \
    && uv pip sync --quiet --no-cache --require-hashes --compile-bytecode --python /venv/bin/python ${REQUIREMENTS}

FROM ${BASE}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TRASH_DATA=/data TRASH_LOG=json
RUN useradd --uid 10001 --no-log-init --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trashsite \
    && install -d -o trashsite /data
WORKDIR /srv/trashsite
COPY --from=build /venv /venv
COPY . .
# This key signs nothing and is not kept, and the database is not opened; real ones come with the container's environment.
RUN DJANGO_SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(50))') DATABASE_URL=sqlite:// \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q .
USER trashsite
# SQLite's file, where DATABASE_URL names one here, and where the simulator's next run begins.
VOLUME /data
EXPOSE 8000
# Of the web server alone; a worker's or a command's container has none (docker-compose.yml).
HEALTHCHECK --interval=10s --timeout=3s --retries=6 --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/health/live', timeout=2)"]
CMD ["python", "deploy/web.py", "--host", "0.0.0.0"]
