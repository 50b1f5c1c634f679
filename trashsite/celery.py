"""The Celery app: `celery -A trashsite worker`."""

import os

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from trashsite import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
# Django's checks concern the site, and import all of it: 25 MB in each worker (measured 2026-11-25).
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")  # noqa: TID251
# kombu resolves "sqs://" by this table. Our transport accepts device messages, and survives faults of SQS that stop
# kombu's own.
TRANSPORT_ALIASES["sqs"] = "trashsite.sqs:Transport"

# Without this Celery would replace Django's LOGGING by its own format.
signals.setup_logging.connect(logs.follow_worker)

app = Celery("trashsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
