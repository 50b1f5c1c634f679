"""Cans found by the words of their names and addresses."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection, models

from reports.models import CanWord, words_of

#: Cans that a search by name and address finds at most, and entries of the index of words that it reads.
MOST_FOUND, MOST_READ = 300, 3_000


class Found(NamedTuple):
    """Ids of cans. is_cut: whether there are, or may be, more."""

    can_ids: frozenset[str] = frozenset()
    is_cut: bool = False


def found_by_words(text: str) -> Found:
    """
    Return the cans in whose name and address each word of a text begins a word.

    Bounded, however many there are: it reads at most MOST_READ words from an index, and returns MOST_FOUND cans.
    """
    words = sorted(words_of(text), key=len, reverse=True)
    if not words:
        return Found()
    read = list(CanWord.objects.filter(begins("word", words[0])).values_list("can_id", flat=True)[: MOST_READ + 1])
    can_ids = set(read[:MOST_READ])
    for word in words[1:]:
        can_ids &= set(CanWord.objects.filter(begins("word", word), can__in=can_ids).values_list("can_id", flat=True))
    return Found(frozenset(sorted(can_ids)[:MOST_FOUND]), len(read) > MOST_READ or len(can_ids) > MOST_FOUND)


def begins(field: str, text: str) -> models.Q:
    """Return the condition that a field begins so, in this case, in the form for which the database uses its index."""
    if connection.vendor == "postgresql":
        return models.Q(**{f"{field}__startswith": text})
    return models.Q(**{f"{field}__gte": text, f"{field}__lt": text + "\U0010ffff"})
