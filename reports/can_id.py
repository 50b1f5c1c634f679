"""What can be the id of a can, as Django's database and the addresses of its pages take it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db.models import CharField

from reports.report import MAX_CAN_ID

CAN_ID = RegexValidator(r"^[^/\x00-\x1f]+\Z")
_FIELD: CharField[str, str] = CharField(max_length=MAX_CAN_ID, validators=[CAN_ID])


def is_can_id(text: str) -> bool:
    """Say whether this can be a can's id: no database needs to be asked for what cannot."""
    try:
        _FIELD.clean(text, None)
    except ValidationError:
        return False
    return True
