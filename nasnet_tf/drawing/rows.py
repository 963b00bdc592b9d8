"""Boxes in rows: an order of each row with few crossings of lines, and places near where the boxes
wish to be. Nothing here knows matplotlib.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

__all__ = ["BETWEEN", "crossings_between", "ordered", "packed_width", "spread"]

BETWEEN = 0.4  # between neighbours in a row


def ordered(rows: list[list[int]], sources) -> list[list[int]]:
    """`rows` put in an order with few crossings: sweeps by barycentre, then swaps of neighbours
    while they help. `sources(k, state)` are what `state` of row k is reached from in row k - 1.
    """

    def crossings(rows):
        return sum(crossings_between(rows[k - 1], rows[k], sources, k) for k in range(1, len(rows)))

    best = rows = [list(row) for row in rows]
    for _ in range(6):
        for k in range(1, len(rows)):
            rows[k] = _by_barycentre(
                rows[k],
                {s: [rows[k - 1].index(source) for source in sources(k, s)] for s in rows[k]},
            )
        best = min(best, _swapped(rows, crossings), key=crossings)
        for k in range(len(rows) - 2, 0, -1):
            readers = {
                s: [i for i, reader in enumerate(rows[k + 1]) if s in sources(k + 1, reader)]
                for s in rows[k]
            }
            rows[k] = _by_barycentre(rows[k], readers)
        best = min(best, _swapped(rows, crossings), key=crossings)
    return best


def _by_barycentre(row: list[int], joined: dict[int, list[int]]) -> list[int]:
    return sorted(row, key=lambda s: sum(joined[s]) / len(joined[s]) if joined[s] else row.index(s))


def _swapped(rows: list[list[int]], crossings) -> list[list[int]]:
    rows = [list(row) for row in rows]
    count, before = crossings(rows), None
    while count != before:
        before = count
        for row in rows[1:]:
            for i in range(len(row) - 1):
                row[i], row[i + 1] = row[i + 1], row[i]
                if (now := crossings(rows)) < count:
                    count = now
                else:
                    row[i], row[i + 1] = row[i + 1], row[i]
    return rows


def crossings_between(lower: list[int], upper: list[int], sources, k: int) -> int:
    """How many pairs of lines from the row `lower` to row k, `upper`, cross."""
    ends = [
        place for s in upper for place in sorted(lower.index(source) for source in sources(k, s))
    ]
    return sum(left > right for left, right in itertools.combinations(ends, 2))


def packed_width(widths: Sequence[float]) -> float:
    """The least width of a row of boxes so wide."""
    return sum(widths) + BETWEEN * (len(widths) - 1)


def spread(
    wishes: Sequence[float], weights: Sequence[float], widths: Sequence[float], frame: float
) -> list[float]:
    """The places nearest to `wishes` (weighted least squares) in order, without overlap and within
    `frame` around 0.

    This is isotonic regression of where each box would leave the packed row, clipped to the room
    that the row has.
    """
    steps = [0.0, *((a + b) / 2 + BETWEEN for a, b in itertools.pairwise(widths))]
    shifts = list(itertools.accumulate(steps, initial=-packed_width(widths) / 2 + widths[0] / 2))[
        1:
    ]
    pools: list[tuple[float, float, int]] = []  # (mean, weight, members)
    for wish, weight, shift in zip(wishes, weights, shifts, strict=True):
        mean, members = wish - shift, 1
        while pools and pools[-1][0] > mean:
            other, heft, count = pools.pop()
            mean, weight, members = (
                (mean * weight + other * heft) / (weight + heft),
                weight + heft,
                members + count,
            )
        pools.append((mean, weight, members))
    room = (frame - packed_width(widths)) / 2
    means = (min(max(mean, -room), room) for mean, _, members in pools for _ in range(members))
    return [mean + shift for mean, shift in zip(means, shifts, strict=True)]
