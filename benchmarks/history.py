"""What a batch costs with a long history by what it costs with a short one: `batch_history_ratio`.

The history is campaigns of the sample, each with as many lines as the shortest history and with a thousand deliveries
(by options), a month apart; each is loaded, and then its files are gone, as rotated logs are. A batch is a new campaign
and late clicks on as many old deliveries, spread evenly over the history, however long that is: so the same work is
asked for at each length. Before the batches of a length the server comes to rest (vacuum, analyze, checkpoint).
Loading, building, judging and publishing are timed each for itself, and printed.
"""

import shutil
from datetime import date, timedelta
from itertools import count
from statistics import median

import click
import numpy as np
from benchmarks.measuring import report, same_work, say, seconds
from benchmarks.warehouses import AS_IT_COMES, BenchWarehouse, new_warehouse

from message_tracking.publication import publish
from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.tracked_urls import UrlType

FIRST_START = date(2021, 1, 5)
NEWEST_START = date(2026, 1, 5)
"""When the campaigns of batches end: later than all history."""
MONTH = timedelta(days=30)

LATE_SHARE = 0.2
"""Share of a batch's events that are late clicks; the rest is a new campaign's."""
LATE_AT = "2026-01-04T12:00:00"
LATE = "late"
"""The source and the server of late clicks."""
NEW_DELIVERIES = 20

Phases = dict[str, float]
"""Seconds by what they were spent on."""


class History:
    """A warehouse with more and more campaigns in it."""

    def __init__(self, bench: BenchWarehouse, campaign_lines: int, deliveries: int) -> None:
        self.bench = bench
        self.campaign_lines = campaign_lines
        self.deliveries = deliveries
        self.campaigns: list[Campaign] = []
        self.numbers = count()
        self.late_counters = count(1)
        bench.add_source(LATE)

    def grow(self, lines: int) -> None:
        """Load and publish campaigns until there are so many lines, and print what loading them took."""
        missing = lines // self.campaign_lines - len(self.campaigns)
        load_seconds = 0.0
        for _ in range(missing):
            place = len(self.campaigns)
            options = self._options(self.campaign_lines, self.deliveries, FIRST_START + place * MONTH)
            self.campaigns.append(Campaign(options))
            load_seconds += self._bring(options)
            say(f"Loaded {len(self.campaigns) * self.campaign_lines} of {lines} lines")
        report(f"load_seconds_at_{missing * self.campaign_lines}", [load_seconds], "s")
        self.bench.pipeline.publish()
        self.bench.settle()
        say(f"Published {lines} lines of history")

    def batch(self, lines: int) -> Phases:
        """Load and publish a batch of so many lines; returns what each phase took."""
        late = self._write_late_clicks(round(lines * LATE_SHARE))
        options = self._options(lines - late, NEW_DELIVERIES, NEWEST_START)
        phases = {"load": self._bring(options, late)}
        candidate = self.bench.open_candidate()
        phases["build"] = seconds(lambda: self.bench.build(candidate))
        phases["gate"] = seconds(lambda: self.bench.judge(candidate))
        number = candidate.publication_id
        phases["publish"] = seconds(lambda: publish(self.bench.warehouse, self.bench.settings, number))
        return phases

    def _options(self, lines: int, deliveries: int, start: date) -> SampleOptions:
        """Options of the next campaign, whose ids are its own."""
        return SampleOptions(
            lines, number=next(self.numbers), deliveries=deliveries, start=start, gzip_share=0, without=AS_IT_COMES
        )

    def _bring(self, options: SampleOptions, late: int = 0) -> float:
        """Write a sample as a source of its own, load it with so many late clicks, and take all files away again.

        Returns the seconds of loading.
        """
        source = f"campaign_{options.number}"
        generate_sample(options, self.bench.add_source(source))
        accepted: list[int] = []
        taken = seconds(lambda: accepted.append(self.bench.load()))
        same_work("the sample and the load", options.lines + late, *accepted)
        self.bench.remove_source(source)
        shutil.rmtree(self.bench.sources[LATE] / "logs", ignore_errors=True)
        return taken

    def _write_late_clicks(self, lines: int) -> int:
        """Write a log of clicks that come in late on `deliveries` old deliveries; returns how many."""
        old = [(campaign, place) for campaign in self.campaigns for place in range(self.deliveries)]
        chosen = [old[place] for place in np.linspace(0, len(old) - 1, self.deliveries).astype(int)]
        each = max(lines // len(chosen), 1)
        clicks = [line for campaign, place in chosen for line in self._clicks(campaign, place, each)]
        log_id, _, _ = clicks[0].partition("\t")
        log = self.bench.sources[LATE] / "logs" / LATE / f"0x{log_id[3:]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(f"{line}\n" for line in clicks), encoding="utf-8")
        return len(clicks)

    def _clicks(self, campaign: Campaign, place: int, each: int) -> list[str]:
        """Clicks of as many readers of a delivery on its first link."""
        of, urls = campaign.messages, campaign.urls
        delivery_id = int(campaign.deliveries.ids[place])
        (link, *_) = urls.places((UrlType.CLICK,), "html")
        url_id = int(urls.ids[place * len(urls.links) + link])
        first = int(campaign.deliveries.first_messages[place])
        return [
            f"L0x{next(self.late_counters):016X}\t{LATE_AT}\t{_hex(int(message_id))}\t{_hex(delivery_id)}\t{_hex(url_id)}"
            "\t0\t\th\t\tMozilla/5.0\t203.0.113.9"
            for message_id in of.ids[first : first + each]
        ]


def _hex(number: int) -> str:
    """An id as logs write it: 32 bits without a sign."""
    return f"{number & 0xFFFFFFFF:x}"


def measure(history: History, lines: int, batch: int, runs: int) -> list[Phases]:
    """Let the history grow to so many lines and bring batches; print what each phase took, in the median."""
    history.grow(lines)
    measured = []
    for run in range(1, runs + 1):
        measured.append(history.batch(batch))
        told = ", ".join(f"{phase} {taken:.1f} s" for phase, taken in measured[-1].items())
        say(f"Batch {run} of {runs} after {lines} lines: {told}")
    for phase in measured[0]:
        report(f"batch_{phase}_seconds_at_{lines}", [phases[phase] for phases in measured], "s", "batches")
    report(f"batch_seconds_at_{lines}", [sum(phases.values()) for phases in measured], "s", "batches")
    return measured


def compare(before: list[Phases], after: list[Phases]) -> list[float]:
    """Tell how much longer each phase takes, and return what each later batch costs by what an earlier one does."""
    for phase in before[0]:
        earlier, later = (median(phases[phase] for phases in measured) for measured in (before, after))
        say(f"{phase}: {earlier:.2f} s before, {later:.2f} s after, {later / earlier:.2f} x")
    usual = median(sum(phases.values()) for phases in before)
    return [sum(phases.values()) / usual for phases in after]


@click.command()
@click.option(
    "--history",
    "lengths",
    type=click.IntRange(min=1),
    multiple=True,
    default=(200_000, 2_000_000),
    show_default=True,
    help="Lines of history, from short to long; the others are multiples of the first.",
)
@click.option("--batch", type=click.IntRange(min=10), default=20_000, show_default=True, help="Lines of a batch.")
@click.option("--deliveries", type=click.IntRange(1, 1000), default=200, show_default=True, help="Of a campaign.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Batches of each length.")
@click.option("--name", default="batch_history_ratio_small", show_default=True, help="Of the ratio that is printed.")
def main(lengths: tuple[int, ...], batch: int, deliveries: int, runs: int, name: str) -> None:
    """Bring batches to ever longer histories and compare what they cost with the longest and with the shortest."""
    shortest, *others = lengths
    if not others or any(length % shortest for length in others) or list(lengths) != sorted(set(lengths)):
        raise click.BadParameter("Name at least two lengths, in ascending order, all of them multiples of the first.")
    with new_warehouse() as bench:
        history = History(bench, shortest, deliveries)
        measured = [measure(history, length, batch, runs) for length in lengths]
    report(name, compare(measured[0], measured[-1]), "x", "batches")


if __name__ == "__main__":
    main()
