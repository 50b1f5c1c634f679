"""
Draw the two pictures of docs/insight.md and measure what insight costs: `python -m bench.insight LEVELS.csv.gz`.

The pictures hold shares of errors, and one fill of one can: not the levels they were drawn from.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from reports.insight.backtest import METHODS, Judged, Replay
from reports.insight.packing import packed, unpacked
from reports.insight.state import CanState, advance, forecast_of, rules_for
from reports.management.levels_csv import Past, read_levels

DOCS = Path(__file__).resolve().parent.parent / "docs"
#: Which threshold is drawn for which stream: plastic and glass rarely reach 80 %.
SHOWN = (("paper", 80), ("plastic", 40), ("glass", 40))
#: Colours that differ for colour-blind readers too (Okabe and Ito), on white and on black.
COLOURS = dict(zip(METHODS, ("#0072b2", "#d55e00", "#009e73"), strict=True))
GREY = "#808080"
WIDTH, HEIGHT, LEFT, TOP = 250, 200, 45, 30


def main() -> None:
    """Replay the file, draw, and print costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="CSV: can_id, stream, measured_at, level")
    cans = read_levels(parser.parse_args().file)
    replays = {shown: replayed(cans.values(), *shown) for shown in SHOWN}
    (DOCS / "insight-errors.svg").write_text(errors(replays))
    (DOCS / "insight-can.svg").write_text(fill(replays[SHOWN[0]]))
    for stream, _ in SHOWN:
        print(stream, cost([past for past in cans.values() if past.stream == stream]))


def replayed(cans: Iterable[Past], stream: str, threshold: int) -> list[Replay]:
    """Return the replays of a stream's cans, at their end."""
    rules = rules_for(stream, threshold)
    replays = [Replay(stream, sorted(past.readings), rules) for past in cans if past.stream == stream]
    for replay in replays:
        for _ in replay:
            pass
    return replays


def relative(each: Judged, method: str) -> float:
    """Return the relative error of a method, infinite where it gave no answer."""
    said = each.full_at[method]
    assert each.true_at is not None
    return float("inf") if said is None else abs(said - each.true_at) / (each.true_at - each.made_at)


def got_full(replays: Iterable[Replay]) -> list[Judged]:
    """Return the judged forecasts whose can got full later."""
    return [each for replay in replays for each in replay.judged if each.true_at and each.true_at > each.made_at]


def errors(replays: dict[tuple[str, int], list[Replay]]) -> str:
    """Draw which share of forecasts was at most so wrong, by stream and method."""
    parts = []
    for place, ((stream, threshold), each) in enumerate(replays.items()):
        x0 = LEFT + place * (WIDTH + 40)
        judged = got_full(each)
        title = f"{stream}, {threshold} % from {threshold // 2} %: {len(judged)} fills"
        parts.append(frame(x0, title, [0, 0.5, 1, 1.5, 2], 2, "error, as a share of the true time"))
        for method in METHODS:
            values = sorted(relative(one, method) for one in judged)
            points = [(min(value, 2), (at + 1) / len(values)) for at, value in enumerate(values) if value <= 2]
            points = points[:: max(1, len(points) // 100)]
            parts.append(line([(x0 + x / 2 * WIDTH, TOP + HEIGHT * (1 - y)) for x, y in points], COLOURS[method]))
    for place, method in enumerate(METHODS):
        parts.append(text(LEFT + 10 + place * 150, TOP + HEIGHT + 55, f"— {method}", COLOURS[method]))
    return svg(LEFT + len(SHOWN) * (WIDTH + 40), TOP + HEIGHT + 70, "Share of forecasts by their relative error", parts)


def fill(replays: Sequence[Replay]) -> str:
    """Draw the fill whose forecast had the median error: its levels, the forecast with its interval, and the truth."""
    judged = sorted(got_full(replays), key=lambda each: relative(each, METHODS[0]))
    chosen = judged[len(judged) // 2]
    replay = next(each for each in replays if chosen in each.judged)
    said = chosen.full_at[METHODS[0]]
    assert said and chosen.true_at and chosen.low and chosen.high
    start = chosen.made_at - 12 * 3600
    hours = max(24, (max(chosen.high, chosen.true_at) - start) // 3600 + 3)
    scale = 2.4 * WIDTH / hours

    def x(at: int) -> float:
        return LEFT + (at - start) / 3600 * scale

    def y(level: float) -> float:
        return TOP + HEIGHT * (1 - level / 100)

    last = chosen.true_at + 3600
    levels = [(at, level) for at, level in replay.readings if start <= at <= last]
    made = next(level for at, level in levels if at == chosen.made_at)
    band = f"M{x(chosen.made_at):.1f} {y(made):.1f}L{x(chosen.low):.1f} {y(80):.1f}H{x(chosen.high):.1f}Z"
    ticks = [hour for hour in range(0, int(hours) + 1, 6)]
    parts = [
        frame(LEFT, "One paper container: the forecast with the median error", ticks, hours, "hours", 2.4 * WIDTH),
        f'<path d="{band}" fill="{COLOURS[METHODS[0]]}" fill-opacity="0.2"/>',
        line([(LEFT, y(80)), (LEFT + 2.4 * WIDTH, y(80))], GREY, dash=True),
        line([(x(at), y(level)) for at, level in levels], GREY),
        *(f'<circle cx="{x(at):.1f}" cy="{y(level):.1f}" r="2.5" fill="{GREY}"/>' for at, level in levels),
        line([(x(chosen.made_at), y(made)), (x(said), y(80))], COLOURS[METHODS[0]]),
        mark(x(said), y(80), "forecast", COLOURS[METHODS[0]], -8),
        mark(x(chosen.true_at), y(80), "truth", COLOURS[METHODS[1]], 18),
        text(
            LEFT + 10,
            TOP + HEIGHT + 55,
            "Grey: levels, and the threshold. Blue: forecast, 80 % interval.",
            GREY,
        ),
    ]
    return svg(LEFT + int(2.4 * WIDTH) + 40, TOP + HEIGHT + 70, "One fill with its forecast and the truth", parts)


def frame(x0: float, title: str, ticks: Sequence[float], most: float, below: str, width: float = WIDTH) -> str:
    """Draw axes: across from 0 to `most`, up from 0 to 100 %."""
    parts = [text(x0, TOP - 10, title, GREY)]
    parts.append(line([(x0, TOP), (x0, TOP + HEIGHT), (x0 + width, TOP + HEIGHT)], GREY))
    for tick in ticks:
        parts.append(text(x0 + tick / most * width, TOP + HEIGHT + 16, f"{tick:g}", GREY, "middle"))
    for share in (0, 50, 100):
        parts.append(text(x0 - 4, TOP + HEIGHT * (1 - share / 100) + 4, f"{share} %", GREY, "end"))
    parts.append(text(x0 + width / 2, TOP + HEIGHT + 34, below, GREY, "middle"))
    return "".join(parts)


def mark(x: float, y: float, name: str, colour: str, offset: int) -> str:
    """Draw a point with its name."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' + text(x, y + offset, name, colour, "middle")


def line(points: Iterable[tuple[float, float]], colour: str, *, dash: bool = False) -> str:
    """Draw a line through the points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="4 4"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>'


def text(x: float, y: float, words: str, colour: str, anchor: str = "start") -> str:
    """Write words."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return a picture."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
    return head + f'font-family="sans-serif" font-size="12"><title>{title}</title>\n' + "\n".join(parts) + "\n</svg>\n"


def cost(cans: Sequence[Past]) -> str:
    """Return what a reading and a forecast cost on average, in microseconds of CPU, and the largest row."""
    spent = {"advance": 0.0, "packed": 0.0, "unpacked": 0.0, "forecast": 0.0}
    times = dict.fromkeys(spent, 0)
    largest = 0

    def timed(name: str, often: int, work: Callable[[], object]) -> None:
        before = time.process_time()
        work()
        spent[name] += time.process_time() - before
        times[name] += often

    for past in cans:
        rules, readings = rules_for(past.stream), sorted(past.readings)
        states: list[CanState] = []

        def follow(readings=readings, rules=rules, states=states) -> None:  # type: ignore[no-untyped-def]
            state = None
            for number, reading in enumerate(readings):
                state, _ = advance(state, reading, rules)
                if number % 20 == 0:
                    states.append(state)

        timed("advance", len(readings), follow)
        kept = [packed(state, rules) for state in states]
        timed("packed", len(states), lambda states=states, rules=rules: [packed(each, rules) for each in states])
        timed("unpacked", len(states), lambda kept=kept, rules=rules: [unpacked(each, rules) for each in kept])
        timed("forecast", len(states), lambda states=states, rules=rules: [forecast_of(one, rules) for one in states])
        largest = max(largest, *(len(each) for each in kept))
    figures = ", ".join(f"{name} {spent[name] / times[name] * 1e6:.1f} us" for name in spent)
    return f"{figures}; largest state {largest} bytes"


if __name__ == "__main__":
    main()
