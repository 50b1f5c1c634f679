"""Downsampling: fewer points that draw nearly the same line."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]


def thin(points: Sequence[Point], size: int) -> list[Point]:
    """
    Return at most `size` of the points, in their order, chosen so that the line keeps its peaks and dips.

    Largest triangle three buckets: of each bucket the point that forms the largest triangle with the one
    chosen before and the middle of the next bucket. The first and last point stay. size: 3 or more.
    Source: S. Steinarsson, Downsampling Time Series for Visual Representation, University of Iceland, 2013.
    """
    count = len(points)
    if count <= size:
        return list(points)
    chosen = [points[0]]
    bucket = (count - 2) / (size - 2)
    for turn in range(size - 2):
        start, end = int(turn * bucket) + 1, int((turn + 1) * bucket) + 1
        following = points[end : max(int((turn + 2) * bucket) + 1, end + 1)] or points[-1:]
        middle_x = sum(x for x, _ in following) / len(following)
        middle_y = sum(y for _, y in following) / len(following)
        last_x, last_y = chosen[-1]
        across, up = last_x - middle_x, middle_y - last_y
        # Twice the triangle's area; its sign does not matter.
        chosen.append(max(points[start:end], key=lambda p: abs(across * (p[1] - last_y) - (last_x - p[0]) * up)))
    chosen.append(points[-1])
    return chosen
