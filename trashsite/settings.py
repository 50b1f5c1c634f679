"""
Every setting, from the environment: the only module that reads it. docs/settings.md documents each.

AWS itself (endpoints, region, credentials) is configured by AWS's own variables and files, which botocore reads.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from trashsite import __version__
from trashsite.names import ALERTS_QUEUE, REPORTS_QUEUE, with_suffix

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


def _choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    value = os.environ.get(name) or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of: {', '.join(allowed)}.")
    return value


def _whole(name: str, default: int, least: int, most: int) -> int:
    value = os.environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return int(value)


def _rate(name: str, default: str) -> str:
    value = os.environ.get(name, default)
    if value and not re.fullmatch(r"[1-9][0-9]{0,8}/(s|min|h)", value):
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be like 600/min, with the unit s, min or h.")
    return value


def _list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def _keys(name: str, known: str) -> list[str]:
    keys = _list(name) or ([known] if TRASH_LOCAL else [])
    if any(len(key) < 16 for key in keys):
        # They are secret, so they are not shown.
        raise ImproperlyConfigured(f"{name} must be random characters, at least 16; several keys with commas between.")
    return keys


def _senders(name: str) -> dict[str, tuple[str, ...]]:
    senders: dict[str, tuple[str, ...]] = {}
    for entry in os.environ.get(name, "").split():
        sender, _, prefixes = entry.partition("=")
        senders[sender] = tuple(prefix for prefix in prefixes.split(",") if prefix)
        if not sender or not senders[sender]:
            raise ImproperlyConfigured(
                f"{name} has {entry!r}; each part must be like AROAEXAMPLE=north-,park- (a sender's id, and how the "
                "ids of its cans begin) or AROAEXAMPLE=* (every can)."
            )
    return senders


def _mail_server(address: str) -> SplitResult:
    parts = urlsplit(address)
    try:
        is_server = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_server = False
    if not is_server:
        # It may contain a password, so it is not shown.
        raise ImproperlyConfigured("TRASH_SMTP must be like smtp://USER:PASSWORD@mail.example.org:587, or smtps://.")
    return parts


#: A laptop with local stores: alone permits a known secret key, open reads and generated users.
TRASH_LOCAL = _flag("TRASH_LOCAL")
#: The end of the names of all queues and tables, as in the lab's `trash-level-wra`.
TRASH_SUFFIX = os.environ.get("TRASH_SUFFIX", "")
if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", TRASH_SUFFIX):
    raise ImproperlyConfigured("TRASH_SUFFIX may hold letters, digits, - and _ only, at most 32.")
#: Days for which each report stays in the history after its receipt; 0 keeps none.
TRASH_HISTORY_DAYS = _whole("TRASH_HISTORY_DAYS", 400, 0, 36_500)
#: Who may read: everybody, or signed-in users and tokens.
TRASH_READS = _choice("TRASH_READS", ("open", "authenticated"), "open" if TRASH_LOCAL else "authenticated")
#: The zone in which pages show times; the API always answers UTC.
TRASH_TIME_ZONE = os.environ.get("TRASH_TIME_ZONE") or "UTC"
try:
    ZoneInfo(TRASH_TIME_ZONE)
except (KeyError, ValueError, OSError):
    raise ImproperlyConfigured(
        f"TRASH_TIME_ZONE is {TRASH_TIME_ZONE!r}; it must be a zone's name, as Europe/Prague."
    ) from None
#: Where a local stack keeps its files.
TRASH_DATA = Path(os.environ.get("TRASH_DATA") or BASE_DIR / ".data")
#: Whether visitors come by HTTPS; "off" is only for a site that no other machine can reach.
TRASH_HTTPS = _choice("TRASH_HTTPS", ("on", "off"), "off" if TRASH_LOCAL else "on")
#: For whom browsers insist on HTTPS from the first visit on, for a year: this host; its subdomains too; or, once the
#: domain's owner has entered it into the browsers' own list, before any visit.
TRASH_HSTS = _choice("TRASH_HSTS", ("host", "subdomains", "preload"), "host")
#: Proxies in front of the web server whose X-Forwarded-For is believed, for rate limits.
TRASH_PROXIES = _whole("TRASH_PROXIES", 0, 0, 10)
#: Limit the rate of dead-lettering during floods of invalid reports: when more messages than this had one within so
#: many seconds, and they were this share of all, the worker sets no more aside than that. 0 messages: no limit.
TRASH_BRAKE_SET_ASIDE = _whole("TRASH_BRAKE_SET_ASIDE", 1000, 0, 1_000_000)
TRASH_BRAKE_WITHIN_S = _whole("TRASH_BRAKE_WITHIN_S", 60, 1, 3600)
TRASH_BRAKE_PERCENT = _whole("TRASH_BRAKE_PERCENT", 90, 1, 100)
#: New cans that a worker takes in a minute; reports of more wait in the queue for their turn. 0: no limit.
TRASH_NEW_CANS = _whole("TRASH_NEW_CANS", 0 if TRASH_LOCAL else 1000, 0, 1_000_000)
#: Whether traces are made, and of how many in a hundred; OpenTelemetry itself reads where they go.
TRASH_TRACES = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
TRASH_TRACE_PERCENT = _whole("TRASH_TRACE_PERCENT", 1, 0, 100)
#: The form of the log: lines for people, or JSON objects for programs, as in containers.
TRASH_LOG = _choice("TRASH_LOG", ("text", "json"), "text")
#: A file that a worker touches every five seconds while it receives and stores as it should; empty: none.
TRASH_ALIVE_FILE = os.environ.get("TRASH_ALIVE_FILE", "")
#: The SNS topic to which alerts may be published, by its ARN; empty: none.
TRASH_ALERT_TOPIC = os.environ.get("TRASH_ALERT_TOPIC", "")
if TRASH_ALERT_TOPIC and not re.fullmatch(r"arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", TRASH_ALERT_TOPIC):
    raise ImproperlyConfigured(
        "TRASH_ALERT_TOPIC must be a topic's ARN, as arn:aws:sns:eu-central-1:123456789012:name."
    )
#: Whether webhooks may lead to private, loopback and link-local addresses, and be plain HTTP.
TRASH_PRIVATE_WEBHOOKS = _choice("TRASH_PRIVATE_WEBHOOKS", ("on", "off"), "off") == "on"
#: The mail server for alerts, as smtp://USER:PASSWORD@HOST:587 (with STARTTLS), or smtps:// for TLS from the start;
#: empty: no mail is sent. Without a user and on this machine alone neither is asked for.
TRASH_SMTP = os.environ.get("TRASH_SMTP", "")
#: From whom alerts come by mail.
DEFAULT_FROM_EMAIL = os.environ.get("TRASH_MAIL_FROM") or "trashsite@localhost"
#: Seconds after which a try to send mail is given up.
EMAIL_TIMEOUT = _whole("TRASH_SMTP_TIMEOUT", 5, 1, 9)
if TRASH_SMTP:
    _smtp = _mail_server(TRASH_SMTP)
    EMAIL_HOST, EMAIL_PORT = _smtp.hostname or "", _smtp.port or (465 if _smtp.scheme == "smtps" else 587)
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_smtp.username or ""), unquote(_smtp.password or "")
    EMAIL_USE_SSL = _smtp.scheme == "smtps"
    EMAIL_USE_TLS = not EMAIL_USE_SSL and EMAIL_HOST not in ("localhost", "127.0.0.1", "::1")
#: The port, not the site's own, on which a worker or web server serves /metrics for Prometheus; 0: none.
TRASH_METRICS_PORT = _whole("TRASH_METRICS_PORT", 0, 0, 65_535)
#: Keys that sign what a redriven message tells of its first id, time and sender: the first signs, all verify.
TRASH_REDRIVE_KEYS = _keys("TRASH_REDRIVE_KEY", "known to everybody: this machine only")
#: Which senders, by AWS's SenderId, may report which cans, by how their ids begin; empty: everybody all.
TRASH_SENDERS = _senders("TRASH_SENDERS")
#: Requests one client may make, as COUNT/UNIT with the unit s, min or h; empty: no limit.
TRASH_RATES = {
    "read": _rate("TRASH_READ_RATE", "60000/min"),
    "post": _rate("TRASH_POST_RATE", "600/min"),
    "login": _rate("TRASH_LOGIN_RATE", "20/min"),
    "uplink": _rate("TRASH_UPLINK_RATE", "30000/min"),
}

#: Where the map's tiles come from, as https://tiles.example.org/{z}/{x}/{y}.png; empty: points on a plain ground.
TRASH_MAP_TILES = os.environ.get("TRASH_MAP_TILES", "")
#: The attribution that the tiles' licence requires.
TRASH_MAP_ATTRIBUTION = os.environ.get("TRASH_MAP_ATTRIBUTION", "")
if TRASH_MAP_TILES and not re.fullmatch(r"https?://[^/\s;,'\"]+/\S+", TRASH_MAP_TILES):
    raise ImproperlyConfigured("TRASH_MAP_TILES must be an address with {z}, {x} and {y}.")

DEBUG = _flag("DJANGO_DEBUG")
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "")
if TRASH_LOCAL:
    SECRET_KEY = SECRET_KEY or "known to everybody: this machine only"
elif SECRET_KEY and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith("django-insecure-")):
    # What Django's check security.W009 says of such a key: whoever guesses it signs in as anybody.
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY can be guessed. Set it to 50 random characters or more: `openssl rand -base64 38`."
    )
elif DEBUG:
    raise ImproperlyConfigured("DJANGO_DEBUG is for local mode only: it shows settings to visitors. Unset it.")
#: Keys that were: what they signed stays valid, and nothing new is signed by them.
SECRET_KEY_FALLBACKS = _list("DJANGO_SECRET_KEY_FALLBACKS")
#: The first admin's password, which `manage.py prepare` sets where there is no admin yet.
TRASH_ADMIN_PASSWORD = os.environ.get("TRASH_ADMIN_PASSWORD", "")


def require_site() -> None:
    """Raise ImproperlyConfigured where the site's own settings are missing: worker and simulator need none of them."""
    if not SECRET_KEY:
        raise ImproperlyConfigured(
            "DJANGO_SECRET_KEY is not set. Set it to 50 random characters, or start with `make run` on a laptop."
        )
    if not _database_url:
        raise ImproperlyConfigured(
            "DATABASE_URL is not set. Set it to postgres://USER:PASSWORD@HOST/NAME; or, for one machine alone whose "
            "disk stays, to sqlite:////data/db.sqlite3."
        )


ALLOWED_HOSTS = _list("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if TRASH_LOCAL else "")
CSRF_TRUSTED_ORIGINS = _list("DJANGO_CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "accounts.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Before the framework: our base.html and Swagger page replace its own.
    "accounts.apps.AccountsConfig",
    "reports",
    "simulator",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]

MIDDLEWARE = [
    "trashsite.request_counts.CountRequests",
    "trashsite.hosts.Hosts",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "trashsite.response_headers.PageMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before those of all apps: the admin's frame.
        "DIRS": [BASE_DIR / "trashsite/templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Django's default looks for a cookie first, and creates a signer, in every request.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

ROOT_URLCONF = "trashsite.urls"
WSGI_APPLICATION = "trashsite.wsgi.application"
# GET /reports/420 has no slash at its end, in the lab and here; nothing is redirected.
APPEND_SLASH = False

_database_url = os.environ.get("DATABASE_URL", "")
if TRASH_LOCAL:
    _database_url = _database_url or f"sqlite:///{TRASH_DATA / 'db.sqlite3'}"
# Without an address Django refuses each query; the site does not start (require_site).
_database: dict[str, Any] = {"ENGINE": "django.db.backends.dummy"}
if _database_url:
    try:
        _database = {**dj_database_url.parse(_database_url, conn_health_checks=True)}
    except ValueError:
        # It may contain a password, so it is not shown.
        raise ImproperlyConfigured(
            "DATABASE_URL must be a database's address, as postgres://USER:PASSWORD@HOST/NAME, each part "
            "percent-encoded."
        ) from None
if _database["ENGINE"] == "django.db.backends.postgresql":
    # A connection for each of 64 threads and process is more than a small server has: of 120 requests at once 80 failed
    # on 40 connections, and none with a pool. Who finds all in use waits for so many seconds, and gets 503 then.
    _database.setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 8, "timeout": 3}
elif _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["CONN_MAX_AGE"] = 60
    # Readers and a writer do not wait for each other: where many read, a sign-in waited for seconds.
    _database["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
    }
DATABASES = {"default": _database}
PASSWORD_HASHERS = ["accounts.hashing.OneAtATime"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "/login/"
LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
# A laptop serves each app's files from where they are; a deployment collects them once, compressed and hashed.
STATIC_ROOT = None if TRASH_LOCAL else BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = TRASH_LOCAL
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TRASH_LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# {s} in the host stands for one of several.
_TILE_HOSTS = [re.sub(r"\{\w+\}", "*", "/".join(TRASH_MAP_TILES.split("/")[:3]))] if TRASH_MAP_TILES else []
# Nothing inline, nothing from elsewhere but the map's tiles.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *_TILE_HOSTS],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
if TRASH_HTTPS == "on":
    SECURE_SSL_REDIRECT = True
    # Health checks come from the internal network, without TLS.
    SECURE_REDIRECT_EXEMPT = [r"^health/"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRASH_PROXIES else None
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = TRASH_HSTS in ("subdomains", "preload")
    SECURE_HSTS_PRELOAD = TRASH_HSTS == "preload"
    # Both are wider promises than one site can make for its domain: by choice.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

DEFAULT_EXCEPTION_REPORTER_FILTER = "reports.web.problems.WithoutVariables"
CSRF_FAILURE_VIEW = "reports.web.problems.csrf_failure"
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": "reports.web.metadata.Metadata",
    # JSON first: a client that accepts anything, as curl does, gets it.
    "DEFAULT_RENDERER_CLASSES": ["reports.web.rendering.JSONRenderer", "reports.web.rendering.PageRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "reports.web.rendering.ContentNegotiation",
    "DEFAULT_PARSER_CLASSES": ["reports.web.parsers.ReportParser"],
    # Tokens first: their challenge makes the answer without credentials 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["reports.web.access.MayRead"],
    "DEFAULT_THROTTLE_CLASSES": ["reports.web.rate_limits.Reading", "reports.web.rate_limits.Posting"],
    "EXCEPTION_HANDLER": "reports.web.view.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "trashsite",
    "DESCRIPTION": "Fill levels of trash cans: the newest of each can, and its history.",
    "VERSION": __version__,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "validatorUrl": None,
        "persistAuthorization": False,
        "defaultModelsExpandDepth": 0,
    },
    "SERVE_PERMISSIONS": ["reports.web.access.MayRead"],
    "PREPROCESSING_HOOKS": ["reports.web.openapi.one_form_of_each"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "reports.web.openapi.without_pages"],
    "ENUM_NAME_OVERRIDES": {
        "CanStatus": "reports.insight.status.Status",
        "ReportedStatus": "reports.insight.status.REPORTED",
        "EmptyingAction": "reports.web.schemas.EMPTYING_ACTIONS",
        "LetterAction": "reports.web.dead_letter_schemas.LETTER_ACTIONS",
        "ServiceAnswers": "reports.web.health_schemas.SERVICE_ANSWERS",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "trashsite.logs.JsonLine"}
        if TRASH_LOG == "json"
        else {
            "()": "trashsite.logs.OneLine",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            "datefmt": "%H:%M:%SZ",
        }
    },
    "filters": {
        "1 a minute": {"()": "trashsite.logs.Seldom"},
        "20 a minute": {"()": "trashsite.logs.Seldom", "most": 20},
        "60 a minute": {"()": "trashsite.logs.Seldom", "most": 60},
        "refusals": {"()": "trashsite.logs.Refusals"},
        "not unavailable": {"()": "trashsite.logs.NotUnavailable"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "refusals": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["refusals"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Celery's two lines a task say less than our one a batch, and a batch that is tried again later needs no
        # traceback.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "ERROR"},
        "botocore": {"level": "WARNING"},
        # A line for each 404 would let anybody fill the log.
        "django.request": {"level": "ERROR", "filters": ["not unavailable"]},
        "django.security": {"handlers": ["refusals"], "propagate": False},
        # A line for each attempt to connect, while the database is away.
        "psycopg.pool": {"filters": ["1 a minute"]},
        # Or an outage of the store would log a line for each request.
        "reports.web.problems": {"filters": ["1 a minute"]},
        # Or whoever guesses passwords and keys would fill it.
        "accounts.views": {"filters": ["20 a minute"]},
        "accounts.authentication": {"filters": ["20 a minute"]},
        "reports.web.uplinks": {"filters": ["20 a minute"]},
        "trashsite.server.streams": {"filters": ["1 a minute"]},
        # Or a flood of invalid reports would log a line for each.
        "reports.worker.storing.set_aside": {"filters": ["60 a minute"]},
        # During an upgrade many entries may be in the other version's form.
        "reports.store.register": {"filters": ["1 a minute"]},
        "trashsite.sqs.origin": {"filters": ["1 a minute"]},
    },
}

# -- the worker ------------------------------------------------------------------------------------------

# The host has no meaning here: AWS's own variables configure where SQS is.
CELERY_BROKER_URL = "sqs://aws//"
CELERY_IMPORTS = (
    "reports.alert_tasks",
    "reports.worker.startup",
    "reports.worker.heartbeat",
    "reports.worker.alerts.sweeper",
)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Device messages become calls of `task`; the one call that a producer may name is `call`.
    "task": "reports.store_messages",
    "call": "reports.record_reports",
    # What is in this queue comes from our own programs: it has a task of its own, and one slot that no report takes.
    "own": {with_suffix(ALERTS_QUEUE, TRASH_SUFFIX): "reports.deliver_alerts"},
}
CELERY_TASK_DEFAULT_QUEUE = with_suffix(REPORTS_QUEUE, TRASH_SUFFIX)
CELERY_TASK_QUEUES = {
    name: {"routing_key": name} for name in (CELERY_TASK_DEFAULT_QUEUE, with_suffix(ALERTS_QUEUE, TRASH_SUFFIX))
}
CELERY_TASK_CREATE_MISSING_QUEUES = True
# Without these reports could be lost: reports/worker/startup.py refuses to start without them.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = False
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
# One more for alerts: a webhook that hangs takes no slot from reports.
CELERY_WORKER_CONCURRENCY = _whole("TRASH_CONCURRENCY", 4, 1, 64) + 1
# A prefetch slot is a batch of messages; the next batch is formed as late as possible.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
