"""What the API answers, by example, for the OpenAPI schema; a test holds each against a real answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

from reports.web.problems import MEDIA_TYPE, UNKNOWN_CAN, Problem

_ROOT = "https://trash.example.org/reports/"
_LINKS = {"self": f"{_ROOT}420", "history": f"{_ROOT}420/history", "emptyings": f"{_ROOT}420/emptyings"}
_PAST = {
    "level": "93.50",
    "measured_at": "2026-11-24T09:30:00Z",
    "received_at": "2026-11-24T09:30:01.412000Z",
    "attributes": {"stream": "paper"},
}
_FACTS = {
    "name": "Market square",
    "address": "Market square 3",
    "stream": "paper",
    "latitude": "50.087500",
    "longitude": "14.421300",
}
_LISTED = {
    "can_id": "420",
    **_PAST,
    "links": _LINKS,
    "status": "FULL",
    "reason": "At 93.5 %; its threshold is 80 %.",
    "suspect": False,
    "facts": _FACTS,
}
_EMPTIED = {
    "at": "2026-11-23T07:05:00Z",
    "before": 84.5,
    "after": 2.0,
    "stage": "CONFIRMED",
    "known_at": "2026-11-23T09:30:00Z",
    "by_operator": False,
}
_CAN = {
    **_LISTED,
    "silent_at": "2026-11-24T15:30:00Z",
    "emptied": _EMPTIED,
    "forecast": {
        "threshold": 80.0,
        "full_at": None,
        "low": None,
        "high": None,
        "reliability": None,
        "reason": "It is at 93.5 %, and its threshold is 80 %.",
    },
}
_PLACE = {"lat": 50.0875, "lon": 14.4213, "level": 93, "status": "FULL", "can_id": "420", "count": 1, "full": 1}
_URGENT = {
    "can_id": "420",
    "level": "93.50",
    "status": "FULL",
    "stream": "paper",
    "measured_at": _PAST["measured_at"],
    "since": "2026-11-24T05:10:00Z",
    "or_earlier": False,
    "facts": _FACTS,
}


def _answer(name: str, value: Any, status: int = 200, media_type: str = "application/json") -> OpenApiExample:
    return OpenApiExample(name, value, response_only=True, status_codes=[str(status)], media_type=media_type)


SENT = OpenApiExample("One report", {"can_id": "420", "level": "70.69237046207665"}, request_only=True)
SENT_SEVERAL = OpenApiExample(
    "Several, with attributes",
    [
        {"can_id": "420", "level": 93.5, "measured_at": "2026-11-24T09:30:00Z", "stream": "paper"},
        {"can_id": "421", "level": "12", "location": {"lat": 50.0875, "lon": 14.4213}},
    ],
    request_only=True,
)
ACCEPTED = _answer(
    "Sent to the queue",
    {
        "accepted": 1,
        "message_ids": ["5fea7756-0ea4-451a-a703-a558b933e274"],
        "results": [{"can_id": "420", "links": _LINKS}],
    },
    202,
)
CAN = _answer("A full can", _CAN)
UNKNOWN = _answer("Unknown can", dict(Problem(404, UNKNOWN_CAN)), 404, MEDIA_TYPE)
FLEET = _answer(
    "The fullest can first",
    {
        "order": "fullest",
        "stopped": False,
        "cut": False,
        "page_size": 1,
        "results": [_LISTED],
        "next": f"{_ROOT}?page_size=1&cursor=WyI-MDkzIzQyMCJd.lVZ6",
        "previous": None,
        "links": {"self": _ROOT},
    },
)
HISTORY = _answer(
    "The newest report",
    {
        "can_id": "420",
        "order": "newest",
        "page_size": 1,
        "results": [_PAST],
        "next": f"{_ROOT}420/history?page_size=1&cursor=WyIyMDI2LTExLTI0Il0.9aT1",
        "previous": None,
        "links": {"self": _LINKS["history"], "can": _LINKS["self"]},
    },
)
EMPTYINGS = _answer(
    "The last emptying",
    {
        "can_id": "420",
        "page_size": 1,
        "results": [_EMPTIED],
        "entered": [],
        "next": None,
        "links": {"self": _LINKS["emptyings"], "can": _LINKS["self"]},
    },
)
COLLECTIONS = _answer(
    "A full can",
    {
        "made_at": "2026-11-24T09:31:00Z",
        "by": "2026-11-25T06:00:00Z",
        "next": "2026-11-26T06:00:00Z",
        "counts": {"FULL": 1, "FORECAST": 0, "SUSPECT": 0, "AGE": 0},
        "overflow_h_avoided": None,
        "overflow_untold": 1,
        "way": {
            "method": "nearest stop first, then 2-opt; great-circle distances, no roads",
            "length_km": 0.0,
            "back_km": None,
            "start": None,
            "unplaced": 0,
        },
        "looked_at": 2,
        "complete": True,
        "complete_from": 0,
        "results": [
            {
                "can_id": "420",
                "why": "FULL",
                "reason": "At 93.5 %; its threshold is 80 %.",
                "status": "FULL",
                "suspect": False,
                "level": "93.50",
                "threshold": 80.0,
                "measured_at": _PAST["measured_at"],
                "full_since": _PAST["measured_at"],
                "full_at": None,
                "low": None,
                "high": None,
                "reliability": None,
                "chance": 1.0,
                "overflow_h_avoided": None,
                "stop": 1,
                "leg_km": 0.0,
                "latitude": 50.0875,
                "longitude": 14.4213,
                "stream": "paper",
                "facts": _FACTS,
                "links": _LINKS,
            }
        ],
        "left": [
            {
                "why": "UNKNOWN",
                "count": 1,
                "cans": [
                    {
                        "can_id": "0",
                        "reason": "It was not yet seen to get full, and has not risen since it was emptied.",
                        "status": "NEW",
                        "level": "5",
                        "chance": None,
                        "links": {name: link.replace("420", "0") for name, link in _LINKS.items()},
                    }
                ],
            }
        ],
        "links": {"self": "https://trash.example.org/collections"},
    },
)
_HAPPENED = {"collections": 9, "overflow_h": 61.5}
_INSTEAD = {"collections": 12, "overflow_h": 20.0}
WHAT_IF = _answer(
    "One can",
    {
        "threshold": 70.0,
        "days": ["mon", "thu"],
        "hour": 6,
        "since": "2026-09-25T09:31:00Z",
        "until": "2026-11-24T09:31:00Z",
        "rounds": 17,
        "cans": 1,
        "chosen_from": 1,
        "complete": True,
        "known_h": 1439.5,
        "shortened": 0,
        "happened": _HAPPENED,
        "instead": _INSTEAD,
        "results": [{"can_id": "420", "known_h": 1439.5, "happened": _HAPPENED, "instead": _INSTEAD, "links": _LINKS}],
        "links": {
            "self": "https://trash.example.org/collections/what-if",
            "list": "https://trash.example.org/collections",
        },
    },
)
CHART = _answer(
    "Two reports of a day",
    {
        "can_id": "420",
        "range": "24h",
        "since": "2026-11-23T09:31:00Z",
        "until": "2026-11-24T09:31:00Z",
        "points": [[1795512600.0, 91.25], [1795512900.0, 93.5]],
        "low": [],
        "high": [],
        "reports": 2,
        "thinned": False,
        "complete": True,
    },
)
OVERVIEW = _answer(
    "A fleet of two",
    {
        "taken_at": "2026-11-24T09:31:00Z",
        "total": 2,
        "by_status": {"FIRE": 0, "TILT": 0, "FULL": 1, "SILENT": 0, "SUSPECT": 0, "FILLING": 0, "OK": 1, "NEW": 0},
        "suspect": 0,
        "by_stream": {"paper": 1, "": 1},
        "full_by_stream": {"paper": 1, "": 0},
        "tenths": [0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        "places": [_PLACE],
        "located": 1,
        "urgent": [_URGENT],
        "cell": 0.0,
        "exact": True,
        "walked": {"cans": 2, "since": "2026-11-24T09:31:00Z", "until": "2026-11-24T09:31:00Z", "complete": True},
    },
)
OVER_TIME = _answer(
    "The last hour of a day",
    {
        "range": "24h",
        "step_s": 3600,
        "missing_hours": 23,
        "points": [
            {
                "at": "2026-11-24T08:00:00Z",
                "expected": 1,
                "hours": 1,
                "cans": 500.0,
                "full": 31.0,
                "full_percent": 6.2,
                "silent": 4.0,
                "silent_percent": 0.8,
                "full_percent_by_stream": {"paper": 7.3, "glass": 2.9},
                "reports": 203,
                "emptied": 12,
                "overflow_h": 31,
                "exact": True,
                "from_history": False,
            }
        ],
    },
)
REPLAY = _answer(
    "Two cans, the first full",
    {
        "statuses": ["FIRE", "TILT", "FULL", "SILENT", "SUSPECT", "FILLING", "OK", "NEW"],
        "cans": [[50.0875, 14.4213, "420"], [50.0871, 14.4209, "421"]],
        "frames": [
            {
                "at": "2026-11-24T09:00:00Z",
                "read_at": "2026-11-24T09:02:03Z",
                "cell": 0.0,
                "digits": "26",
                "cells": [],
            }
        ],
    },
)
PIPELINE = _answer(
    "One worker, and a dead letter",
    {
        "queue": {"waiting": 12, "in_flight": 50, "dead": 1},
        "dead_alerts": 0,
        "lag_ms": 840,
        "stored_per_minute": 310,
        "drain_s": 0,
        "last_stored_at": "2026-11-24T09:31:00Z",
        "workers": [
            {
                "name": "web-1:4711",
                "seen_at": "2026-11-24T09:30:58Z",
                "is_silent": False,
                "problem": "",
                "counters": {"messages": 9000, "stored": 88123},
            }
        ],
        "troubles": [
            {
                "weight": "warning",
                "text": "1 dead letter: reports that could not be stored.",
                "remedy": "List them, and see why.",
                "link": "https://trash.example.org/pipeline/dead-letters/?of=reports",
            }
        ],
        "hour": {
            "begins_at": "2026-11-24T08:31:00Z",
            **{name: [0] * 59 + [310] for name in ("received", "stored")},
            **{name: [None] * 59 + [840] for name in ("oldest_ms", "backlog", "dead")},
            "totals": {
                "received": 310,
                "stored": 309,
                "older": 2,
                "repeated": 0,
                "held": 0,
                "ignored": 0,
                "waiting": 0,
                "set_aside": 1,
                "again": 0,
                "unaccounted": 0,
            },
        },
    },
)
