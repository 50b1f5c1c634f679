"""What can be the id of a can, as Django's database and the addresses of its pages take it."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from reports.report import CAN_ID, CAN_ID_RULE


def is_can_id(text: str) -> bool:
    """Say whether reports of a can of this id are taken: no database needs to be asked for any other."""
    return CAN_ID.match(text) is not None and text == text.strip()


def check_can_id(text: str) -> None:
    """Raise ValidationError for what cannot be the id of a can: a validator of models."""
    if not is_can_id(text):
        raise ValidationError(CAN_ID_RULE)
