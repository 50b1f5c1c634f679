"""The Celery app: `celery -A trashsite worker`."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
# kombu resolves "sqs://" by this table; ours takes device messages, and survives what the stock one does not.
TRANSPORT_ALIASES["sqs"] = "trashsite.sqs:Transport"

app = Celery("trashsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
