"""The fleet as a CSV file: small ones whole, large ones as they are made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

from django.db import close_old_connections
from django.http import HttpResponse, StreamingHttpResponse

from reports.web.answers import NeverRow, Row, instant
from reports.web.csv_files import CONTENT_TYPE, lines
from reports.web.fleet_listing import FleetListing

#: stream is what counts; sent_stream what the can itself sends, so that an import knows that nobody entered it.
COLUMNS = (
    "can_id", "name", "address", "stream", "level", "status", "measured_at", "received_at", "latitude", "longitude",
    "sent_stream", "suspect",
)  # fmt: skip
#: A file that is made within so long, and is no larger, is answered whole. Of any other so much is made whether or not
#: somebody reads it.
WHOLE_S = 0.25
WHOLE_BYTES = 256 * 1024
#: While no row is found, so often a byte is sent: who is silent for long is given up by proxies and programs.
BYTE_EVERY_S = 4.0


def csv_of(listing: FleetListing) -> HttpResponse | StreamingHttpResponse:
    """
    Answer with all rows of a query as CSV, in memory of constant size.

    What can be made at once is made before the first byte is sent: a failure is a 503, and Content-Length shows where
    a connection broke off. Of a larger file only that beginning is; where it fails later, the server breaks the
    connection (trashsite.server.streams), so that a part of the fleet does not look like all of it.
    Raises StoreUnavailable, and the database's errors.
    """
    began, made, size = time.monotonic(), deque[bytes](), 0
    pieces = _pieces(listing.all())
    for piece in pieces:
        made.append(piece)
        size += len(piece)
        if size > WHOLE_BYTES or time.monotonic() - began > WHOLE_S:
            # The rest is made in another thread, which is where Django will look after connections.
            close_old_connections()
            answer: HttpResponse | StreamingHttpResponse = StreamingHttpResponse(_in_turn(made, pieces))
            break
    else:
        answer = HttpResponse(b"".join(made))
        answer["Content-Length"] = str(size)
    answer["Content-Type"] = CONTENT_TYPE
    answer["Content-Disposition"] = 'attachment; filename="fleet.csv"'
    return answer


def _pieces(pages: Iterator[Sequence[Row | NeverRow]]) -> Iterator[bytes]:
    """
    Yield the file in pieces, an empty one where no row was found for a while.

    The last line is held back: where the next row is long in coming, it is sent byte by byte, since CSV has nothing
    that may stand between two lines. The shortest lasts for some minutes.
    """
    held, sent_s = lines([COLUMNS]), time.monotonic()
    for rows in pages:
        if rows:
            piece = held + lines(map(_cells, rows[:-1]))
            held, sent_s = lines([_cells(rows[-1])]), time.monotonic()
            # Many slow readers would hold the rows of their pages, ten times as large: 64 took 125 MB, and gave nothing
            # back.
            del rows
            yield piece
        elif len(held) > 1 and time.monotonic() - sent_s >= BYTE_EVERY_S:
            yield held[:1]
            held, sent_s = held[1:], time.monotonic()
        else:
            yield b""
    yield held


def _in_turn(made: deque[bytes], pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what was made and then the rest, and hold nothing that was sent."""
    while made:
        yield made.popleft()
    yield from pieces


def _cells(row: Row | NeverRow) -> list[str]:
    report, facts = row.report, row.facts
    return [
        row.can_id,
        facts.name if facts else "",
        facts.address if facts else "",
        row.stream,
        report.level if report else "",
        row.status,
        (instant(report.measured_at) or "") if report else "",
        (instant(report.received_at) or "") if report else "",
        (facts and facts.latitude) or "",
        (facts and facts.longitude) or "",
        (report.stream or "") if report else "",
        "yes" if row.standing.suspect else "no",
    ]
