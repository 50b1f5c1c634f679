"""Uplinks by HTTP: what a network server sends goes into the queue as it came, and the worker judges it."""

from __future__ import annotations

import hmac
import logging
import re
import time
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue
from reports.sensor_models import UplinkSource, secret_digest
from reports.web import schemas
from reports.web.parsers import BoundedParser
from reports.web.problems import InvalidQuery, TooMany
from reports.web.rate_limits import Uplinking, WrongSecrets
from reports.web.view import REFUSALS, UNREAD, ApiView
from trashsite.server.visitors import address_of

#: The largest uplink that is known has 2,400 bytes; one with 500 past readings, 100,000.
MAX_BYTES = 256 * 1024
HEADER = "X-Uplink-Secret"
#: Compared with where there is no such source, so that it takes as long.
_NO_DIGEST = "0" * 64
#: What can be a source's name; PostgreSQL refuses to be asked for some others.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")

log = logging.getLogger(__name__)


class UplinkParser(BoundedParser):
    """A body of any type: servers name theirs differently, and the worker tells them by their shape."""

    media_type = "*/*"
    most_bytes = MAX_BYTES

    def value(self, body: bytes) -> str:
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise InvalidQuery("message", "must be UTF-8") from None


class UplinksView(ApiView):
    """Where a network server sends its uplinks."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (UplinkParser,)
    tells_ingestion = False

    def get_authenticate_header(self, request: Request) -> str:
        return f'Secret header="{HEADER}"'

    @extend_schema(
        operation_id="uplink",
        parameters=[OpenApiParameter(HEADER, str, OpenApiParameter.HEADER, required=True)],
        request={"application/json": OpenApiTypes.ANY},
        auth=[],
        responses={202: schemas.UplinkAccepted, **UNREAD, **REFUSALS},
        tags=["uplinks"],
    )
    def post(self, request: Request, name: str) -> Response:
        """
        Take one message of a network server, with the source's secret in the header X-Uplink-Secret.

        Any text of at most 256 KB is put into the queue as it came: a server that is refused would send it again, or
        no more at all. What cannot be read becomes a dead letter with field and rule.
        """
        source = _source(request, name)
        rate = Uplinking()
        request.rate_limit = rate_limit = rate.count(f"source {source.name}", time.time())  # type: ignore[attr-defined]
        if rate_limit and rate_limit.left < 0:
            raise TooMany(rate.wait())
        sent: Any = request.data
        if not isinstance(sent, str) or not sent.strip():
            raise InvalidQuery("message", "must not be empty")
        ids = queue.publish([queue.sqs_text(sent)])
        return Response({"accepted": len(ids), "message_ids": ids}, status=202)


def _source(request: Request, name: str) -> UplinkSource:
    """Return the source whose secret came; every refusal reads alike. Raises AuthenticationFailed, TooMany."""
    wrong = WrongSecrets()
    if not wrong.allow(request):
        raise TooMany(wrong.wait())
    source = None
    if _NAME.fullmatch(name):
        source = UplinkSource.objects.filter(name=name, is_open=True).first()
    given = secret_digest(request.headers.get(HEADER, ""))
    if not hmac.compare_digest(given, source.digest if source else _NO_DIGEST) or source is None:
        wrong.note(request)
        log.warning("a secret of uplinks was refused; it came from %s", address_of(request.META))
        raise AuthenticationFailed(f"No source of this name with the secret in {HEADER} may send.")
    return source
