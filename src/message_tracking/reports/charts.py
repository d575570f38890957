"""The geometry of charts; templates draw it as SVG with the classes of the style sheet.

Drawn on the server: it needs no script, prints as it is shown, follows light and dark, and holds its own description.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 840, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 12, 30
MOST_LABELS = 7

Number = float


@dataclass(frozen=True)
class Series:
    """The values of one colour, as many as the chart has places."""

    label: str
    values: Sequence[Number]
    colour: int


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: Number
    label: str


@dataclass(frozen=True)
class Bar:
    """A rectangle with what it stands for."""

    x: Number
    y: Number
    width: Number
    height: Number
    colour: int
    title: str


@dataclass(frozen=True)
class Line:
    """The outline of a series and the area below it, as SVG paths."""

    outline: str
    area: str
    colour: int


@dataclass(frozen=True)
class Chart:
    """What a template draws."""

    title: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    legend: list[Series]
    bars: list[Bar]
    lines: list[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def stacked_columns(title: str, places: Sequence[str], series: Sequence[Series]) -> Chart:
    """One column for each place, the series on top of each other."""
    heights = [sum(one.values[place] for one in series) for place in range(len(places))]
    scale = _Scale(max(heights, default=0))
    step = _plot_width() / max(len(places), 1)
    width = max(min(step * 0.72, 48), 0.5)
    bars = []
    for place, name in enumerate(places):
        below = 0.0
        for one in series:
            value = one.values[place]
            if value:
                y = scale.y(below + value)
                bars.append(
                    Bar(
                        round(LEFT + step * (place + 0.5) - width / 2, 2),
                        round(y, 2),
                        round(width, 2),
                        round(scale.y(below) - y, 2),
                        one.colour,
                        f"{name}, {one.label}: {value:,}",
                    )
                )
                below += value
    return Chart(title, _labels(places, step), scale.ticks(), list(series), bars, [])


def grouped_columns(title: str, places: Sequence[str], series: Sequence[Series]) -> Chart:
    """One group of columns for each place, the series side by side."""
    scale = _Scale(max((max(one.values, default=0) for one in series), default=0))
    step = _plot_width() / max(len(places), 1)
    width = min(step * 0.8 / max(len(series), 1), 32)
    bars = [
        Bar(
            round(LEFT + step * (place + 0.5) + width * (at - len(series) / 2), 2),
            round(scale.y(one.values[place]), 2),
            round(width, 2),
            round(scale.y(0) - scale.y(one.values[place]), 2),
            one.colour,
            f"{name}, {one.label}: {one.values[place]:,}",
        )
        for place, name in enumerate(places)
        for at, one in enumerate(series)
        if one.values[place]
    ]
    return Chart(title, _labels(places, step), scale.ticks(), list(series), bars, [])


def areas(title: str, places: Sequence[str], series: Sequence[Series]) -> Chart:
    """One line for each series, with the area below it, from the first place to the last."""
    scale = _Scale(max((max(one.values, default=0) for one in series), default=0))
    step = _plot_width() / max(len(places) - 1, 1)
    floor = HEIGHT - BOTTOM
    lines = []
    for one in series:
        points = [f"{LEFT + step * place:.1f},{scale.y(value):.1f}" for place, value in enumerate(one.values)]
        if points:
            outline = "M" + "L".join(points)
            lines.append(
                Line(outline, f"{outline}L{LEFT + step * (len(points) - 1):.1f},{floor}L{LEFT},{floor}Z", one.colour)
            )
    return Chart(title, _labels(places, step, shift=0.0), scale.ticks(), list(series), [], lines)


def sparkline(values: Sequence[Number], width: int = 96, height: int = 24) -> str:
    """The points of a small line, as an SVG polyline takes them."""
    greatest = max(values, default=0) or 1
    step = width / max(len(values) - 1, 1)
    return " ".join(
        f"{step * place:.1f},{height - 2 - (height - 4) * value / greatest:.1f}" for place, value in enumerate(values)
    )


class _Scale:
    """The vertical axis from 0 to a round number."""

    def __init__(self, greatest: Number) -> None:
        rough = max(greatest, 1) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        self.step = max(step, 1)
        self.top = self.step * max(math.ceil(greatest / self.step), 1)

    def y(self, value: Number) -> Number:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.top

    def ticks(self) -> list[Tick]:
        return [
            Tick(round(self.y(self.step * place), 2), f"{self.step * place:,.0f}")
            for place in range(round(self.top / self.step) + 1)
        ]


def _plot_width() -> Number:
    return WIDTH - LEFT - RIGHT


def _labels(places: Sequence[str], step: Number, shift: Number = 0.5) -> list[Tick]:
    every = math.ceil(len(places) / MOST_LABELS) or 1
    return [Tick(round(LEFT + step * (place + shift), 2), places[place]) for place in range(0, len(places), every)]
