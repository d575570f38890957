"""The arithmetic that the documentation prints (spec 4.2 to 4.4, 4.7, 4.9 to 4.12): events that give the printed numerators
and denominators are fed, and the printed percentages are read from the published marts.
"""

import datetime
from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest

from message_tracking.warehouse import fetch_all

CONTACT = datetime.datetime(2026, 1, 5, 8, tzinfo=datetime.UTC)
URL_TYPES = {"click": 1, "opt_out": 3, "web": 4, "transaction": 5, "mirror_page": 6}

# Domain, sent, recipients who opened, recipients who clicked; opens, clicks, raw reactivity in percent (spec 4.2, block 3).
DOMAINS = {
    "MSN": (355, 46, 0, "12.96", "0.00", "0.00"),
    "AOL": (822, 66, 8, "8.03", "0.97", "12.12"),
    "Hotmail": (1120, 123, 21, "10.98", "1.88", "17.07"),
    "Yahoo": (2007, 231, 18, "11.51", "0.90", "7.79"),
    "Gmail": (3231, 366, 79, "11.33", "2.45", "21.58"),
    "Others": (706_823, 76_845, 5_874, "10.87", "0.83", "7.64"),
}
TOTAL = ("10.87", "0.84", "7.72")
ADDRESSES = {
    "MSN": "msn.com",
    "AOL": "aol.com",
    "Hotmail": "live.com",
    "Yahoo": "yahoo.com",
    "Gmail": "GMail.com",
    "Others": "example.net",
}

# Errors by reason, with their contribution and breakdown in percent, of 689 131 processed messages (spec 4.12).
BOUNCES = {
    1: (4662, "12.01", "0.68"),
    2: (429, "1.11", "0.06"),
    3: (30_113, "77.59", "4.37"),
    4: (193, "0.50", "0.03"),
    5: (2126, "5.48", "0.31"),
    20: (1287, "3.32", "0.19"),
}
PROCESSED = 689_131

# Clicks of the ten most visited links and of all others, with their percent (spec 4.3). The second is the mirror page.
LINKS = [8968, 8232, 8053, 7067, 6168, 5226, 3767, 3756, 3415, 2696]
LINK_SHARES = ["10.55", "9.69", "9.48", "8.32", "7.26", "6.15", "4.43", "4.42", "4.02", "3.17"]
OTHERS, OTHERS_SHARE = 27_619, "32.51"

# Shares of the networks, and their part of all shares in percent (spec 4.10); then those of nine messages.
SHARES = {"Email": 209, "Facebook": 244, "Twitter": 206, "Google": 0, "Linkedin": 187}
SHARE_BREAKDOWN = ["24.70", "28.84", "24.35", "0.00", "22.10"]
FEW_SHARES = {"Email": 1, "Facebook": 2, "Twitter": 1, "Google": 1, "Linkedin": 1}

# Visitors of the ten most used browsers and of all others, and their usage rates in percent (spec 4.9).
VISITORS = [2311, 1458, 651, 616, 232, 220, 112, 65, 64, 55, 59]
USAGE = ["39.55", "24.95", "11.14", "10.54", "3.97", "3.77", "1.92", "1.11", "1.10", "0.94", "1.01"]

# Minutes after launch at which 10 … 90 % had come in (spec 4.4).
OPENS_REACHED = [20, 40, 60, 70, 90, 110, 130, 180, 280]
CLICKS_REACHED = [10, 30, 40, 60, 80, 100, 120, 230, 370]


def percent(part, base, digits=2) -> str:
    """How reports print a rate: half away from zero, 0 where the base is 0 (spec 4, 8.42)."""
    rate = Decimal(part) / Decimal(base) * 100 if base else Decimal(0)
    return str(rate.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


class Feed:
    """Deliveries, messages, links and events of a test, as frames, written as real exports and logs."""

    def __init__(self, landing) -> None:
        self.landing = landing
        self.deliveries: list[str] = []
        self.messages: list[pl.DataFrame] = []
        self.urls: list[str] = []
        self.events: list[pl.DataFrame] = []

    def add_delivery(
        self, delivery_id: int, label: str, sent: int, to_deliver: int | None = None, domains=None, reasons=None
    ) -> None:
        """A delivery whose messages 1 … `sent`, counted from `delivery_id * 1 000`, arrived but for those with a reason."""
        self.deliveries.append(
            f"{delivery_id},DM{delivery_id},{label},,0,95,false,false,1,,,,{sent if to_deliver is None else to_deliver},0,0,"
            f"{CONTACT:%Y-%m-%dT%H:%M:%SZ},,"
        )
        first = delivery_id * 1000
        reason = pl.repeat(0, sent, eager=True, dtype=pl.Int64) if reasons is None else reasons
        self.messages.append(
            pl.DataFrame({"message_id": pl.int_range(first, first + sent, eager=True)}).with_columns(
                delivery_id=delivery_id, recipient_id="message_id", address_domain=pl.lit("example.net") if domains is None else domains,
                status=(reason > 0).cast(pl.Int64) + 1, failure_reason=reason, is_seed=False, event_at=pl.lit(f"{CONTACT:%Y-%m-%dT%H:%M:%SZ}"), modified_at=pl.lit(""),
            )
        )  # fmt: skip

    def add_url(self, url_id: int, delivery_id: int, kind: str, label: str, category: str = "") -> None:
        """A link of the delivery."""
        self.urls.append(
            f"{url_id},{delivery_id},{URL_TYPES[kind]},{label},{category},https://www.example/{url_id},0,html,"
        )

    def add_events(
        self, delivery_id: int, url_id: int, messages, seconds=60, persons="", parameters="", agent="Mozilla/5.0"
    ) -> None:
        """One event per element of `messages`, places among the delivery's messages; the rest is one for all or one each."""
        frame = pl.DataFrame({"message": messages})
        self.events.append(
            frame.select(
                message_id=pl.col("message") + delivery_id * 1000,
                delivery_id=delivery_id,
                url_id=url_id,
                seconds=seconds if isinstance(seconds, pl.Series) else pl.lit(seconds),
                person=persons if isinstance(persons, pl.Series) else pl.lit(persons),
                parameters=parameters if isinstance(parameters, pl.Series) else pl.lit(parameters),
                agent=pl.lit(agent),
            )
        )

    def write(self) -> None:
        """Write the exports and one log of everything."""
        self.landing.describe(deliveries=self.deliveries, tracked_urls=self.urls)
        pl.concat(self.messages).write_csv(self.landing.folder / "exports" / "messages.csv")
        events = pl.concat(self.events).with_row_index("counter", offset=1)

        def as_hex(column: str, digits: int) -> pl.Expr:
            nibbles = [(pl.col(column).cast(pl.Int64) // 16**place % 16) for place in reversed(range(digits))]
            return pl.concat_str([pl.lit("0123456789abcdef").str.slice(nibble, 1) for nibble in nibbles])

        at = pl.lit(CONTACT.replace(tzinfo=None)) + pl.duration(seconds="seconds")
        line = pl.concat_str(
            [
                pl.lit("50x") + as_hex("counter", 16), at.dt.strftime("%Y-%m-%dT%H:%M:%S"), as_hex("message_id", 8),
                as_hex("delivery_id", 8), as_hex("url_id", 8), pl.lit("0"), "person", pl.lit("h"), "parameters",
                "agent", pl.lit("203.0.113.10"),
            ],
            separator="\t",
        )  # fmt: skip
        log = self.landing.write_log([])
        events.select(line).write_csv(log, include_header=False, quote_style="never")


@pytest.fixture
def feed(landing):
    return Feed(landing)


def places(count: int, start: int = 0) -> pl.Series:
    """The places `start` … `start + count - 1`."""
    return pl.int_range(start, start + count, eager=True)


def repeated(counts: dict) -> pl.Series:
    """Each value as many times as is said, one after the other."""
    return pl.concat([pl.repeat(value, count, eager=True) for value, count in counts.items()])


def test_open_and_click_through_rates_by_domain(feed, pipeline, connect_as):
    sent_by_address = {ADDRESSES[domain]: sent for domain, (sent, *_) in DOMAINS.items()}
    feed.add_delivery(10_000, "News", sum(sent_by_address.values()), domains=repeated(sent_by_address))
    feed.add_url(10, 10_000, "click", "Shop")
    first = 0
    for sent, opened, clicked, *_ in DOMAINS.values():
        # Who clicks need not have shown the images: the click proves the open.
        feed.add_events(10_000, 1, places(opened - clicked, first + clicked))
        feed.add_events(10_000, 10, places(clicked, first))
        first += sent
    feed.write()
    pipeline.run()
    reader = connect_as("bi_reader")
    rows = fetch_all(
        reader,
        """
        select
            domain, success_count, recipient_open_count, recipient_click_count, open_rate, click_rate, raw_reactivity_rate
        from marts.domain_indicators
        """,
    )
    read = {row[0]: (*row[1:4], *(percent(rate, 1) for rate in row[4:])) for row in rows}
    assert read == DOMAINS
    ((sent, opened, clicked, reactivity),) = fetch_all(
        reader,
        """
        select success_count, recipient_open_count, recipient_click_count, raw_reactivity_rate
        from marts.deliveries join marts.delivery_indicators using (delivery_id)
        """,
    )
    assert (sent, opened, clicked) == (714_358, 77_677, 6_000)
    assert (percent(opened, sent), percent(clicked, sent), percent(reactivity, 1)) == TOTAL


def test_delivery_statistics_and_bounces(feed, pipeline, connect_as):
    feed.add_delivery(
        10_000, "AOL", 838, domains=pl.repeat("aol.com", 838, eager=True), reasons=repeated({0: 837, 3: 1})
    )
    feed.add_events(10_000, 1, places(72))
    errors = {reason: count for reason, (count, *_) in BOUNCES.items()}
    feed.add_delivery(20_000, "All", PROCESSED, reasons=repeated({0: PROCESSED - sum(errors.values())} | errors))
    feed.write()
    pipeline.run()
    reader = connect_as("bi_reader")
    rates = "select processed_count, delivered_rate, open_rate from marts.domain_indicators where domain = 'AOL'"
    ((processed, delivered, opens),) = fetch_all(reader, rates)
    assert (processed, percent(delivered, 1), percent(opens, 1)) == (838, "99.88", "8.60")
    rows = fetch_all(
        reader,
        """
        select failure_reason, error_count, contribution_rate, breakdown_rate
        from marts.bounces where delivery_id = 20000 and domain = 'Others'
        """,
    )
    assert {reason: (count, percent(part, 1), percent(rate, 1)) for reason, count, part, rate in rows} == BOUNCES
    assert percent(sum(rate for *_, rate in rows), 1) == "5.63"


def test_delivery_summary(feed, pipeline, connect_as):
    feed.add_delivery(5000, "Summary", sent=1603)
    feed.deliveries = [feed.deliveries[0].replace(",,,1603,0,0,", ",1754,151,1603,0,0,")]
    feed.messages[0] = feed.messages[0].with_columns(status=pl.when(pl.int_range(1603) == 0).then(2).otherwise(1))
    feed.add_url(10, 5000, "click", "Shop")
    feed.add_events(5000, 10, places(1))
    feed.write()
    pipeline.run()
    ((*figures, rejected, success, error),) = fetch_all(
        connect_as("bi_reader"),
        """
        select target_count, rejected_count, to_deliver_count, success_count, error_count, rejected_rate, success_rate, error_rate
        from marts.delivery_summary
        """,
    )
    assert figures == [1754, 151, 1603, 1602, 1]
    assert [percent(rate, 1) for rate in (rejected, success, error)] == ["8.61", "99.94", "0.06"]


def test_web_tracking_averages(feed, pipeline, connect_as):
    feed.add_delivery(5000, "Shop", sent=1, to_deliver=11_592_837)
    feed.add_url(10, 5000, "transaction", "Ordered")
    feed.add_events(5000, 10, pl.repeat(0, 154, eager=True), parameters="amount=1&article=1")
    feed.add_events(5000, 10, pl.repeat(0, 239 - 154, eager=True))
    feed.write()
    pipeline.run()
    ((amount, articles, transactions, pages, to_deliver),) = fetch_all(
        connect_as("bi_reader"),
        """
        select transaction_amount, article_count, transaction_count, visited_page_count, to_deliver_count
        from marts.deliveries join marts.delivery_indicators using (delivery_id)
        """,
    )
    assert (amount, articles, transactions, pages) == (154, 154, 239, 239)
    assert round(amount / transactions, 2) == round(Decimal(articles) / transactions, 2) == Decimal("0.64")
    assert round(amount / to_deliver, 2) == 0


def test_most_visited_links(feed, pipeline, connect_as):
    feed.add_delivery(5000, "News", sent=1000)
    for number, clicks in enumerate([*LINKS, OTHERS], start=1):
        is_mirror = number == 2
        feed.add_url(
            number + 10, 5000, "mirror_page" if is_mirror else "click", "Mirror Page" if is_mirror else f"Link {number}"
        )
        feed.add_events(5000, number + 10, places(clicks) % 1000)
    feed.write()
    pipeline.run()
    for relation in ("url_clicks", "url_label_clicks"):
        rows = fetch_all(
            connect_as("bi_reader"), f"select click_count, click_share, label from marts.{relation} order by rank"
        )
        assert [clicks for clicks, _, _ in rows] == [OTHERS, *LINKS]
        assert [percent(share, 1) for _, share, _ in rows] == [OTHERS_SHARE, *LINK_SHARES]
        assert rows[2][2] == "Mirror Page"
        assert sum(clicks for clicks, _, _ in rows) == 84_967


def test_time_to_take_effect(feed, pipeline, connect_as):
    feed.add_delivery(5000, "News", sent=20)
    feed.add_url(10, 5000, "click", "Shop")
    for url_id, reached in ((1, OPENS_REACHED), (10, CLICKS_REACHED)):
        # A tenth in the bucket that ends at each time, the last one a day later.
        minutes = pl.Series([*reached, 1440])
        feed.add_events(5000, url_id, places(10), seconds=minutes * 60 - 1)
    feed.write()
    pipeline.run()
    rows = fetch_all(
        connect_as("bi_reader"),
        "select series, percent, seconds_to_percent / 60 from marts.tracking_statistics order by percent",
    )
    assert [minutes for series, _, minutes in rows if series == "opens"] == OPENS_REACHED
    assert [minutes for series, _, minutes in rows if series == "clicks"] == CLICKS_REACHED
    assert [minutes for series, _, minutes in rows if series == "transactions"] == [None] * 9


def test_sharing_and_browsers(feed, pipeline, connect_as):
    for delivery_id, shares in ((5000, SHARES), (6000, FEW_SHARES)):
        feed.add_delivery(delivery_id, "News", sent=300, to_deliver=9)
        for number, (network, count) in enumerate(shares.items(), start=1):
            feed.add_url(delivery_id + number, delivery_id, "web", network, category=network.lower())
            feed.add_events(delivery_id, delivery_id + number, places(count))
    feed.add_delivery(7000, "Clicked", sent=sum(VISITORS))
    feed.add_url(7001, 7000, "click", "Shop")
    for number, visitors in enumerate(VISITORS):
        agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{100 + number}.0.0.0 Safari/537.36"
        feed.add_events(7000, 7001, places(visitors, sum(VISITORS[:number])), agent=agent)
    feed.write()
    pipeline.run()
    reader = connect_as("bi_reader")
    rows = fetch_all(
        reader,
        "select delivery_id, network, share_count, share_breakdown_rate, sharing_rate from marts.sharing_activity",
    )
    shared = {
        (delivery_id, network): (percent(breakdown, 1), percent(rate, 1))
        for delivery_id, network, _, breakdown, rate in rows
    }
    assert [shared[5000, network][0] for network in SHARES] == SHARE_BREAKDOWN
    assert {shared[6000, network] for network in ("Email", "Twitter", "Google", "Linkedin")} == {("16.67", "11.11")}
    assert shared[6000, "Facebook"] == ("33.33", "22.22")
    assert shared[6000, "Digg"] == ("0.00", "0.00")
    assert percent(sum(rate for delivery_id, *_, rate in rows if delivery_id == 6000), 1) == "66.67"
    statistics = fetch_all(
        reader,
        "select visitor_count, usage_rate, global_rate, relative_rate from marts.browser_statistics order by version",
    )
    assert [visitors for visitors, *_ in statistics] == VISITORS
    assert [tuple(percent(rate, 1) for rate in rates) for _, *rates in statistics] == [
        (rate, rate, rate) for rate in USAGE
    ]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_whole_report_of_ten_million_messages(feed, pipeline, connect_as):
    sent, opened, opens, clicked, persons, clicks = 10_186_024, 1_475_660, 2_225_724, 83_012, 93_107, 120_434
    opt_outs, mirror_pages = 45_085, 15_476
    feed.add_delivery(5000, "All", sent, to_deliver=11_592_837)
    for url_id, kind in ((10, "click"), (13, "opt_out"), (16, "mirror_page")):
        feed.add_url(url_id, 5000, kind, kind)
    feed.add_events(5000, 1, places(opened))
    feed.add_events(5000, 1, places(opens - opened), seconds=3600)
    # Each recipient who clicked, then friends with browsers of their own, then second clicks of the first ones.
    person = pl.concat([places(persons), places(clicks - persons)])
    uuids = pl.select(
        pl.format("00000000-0000-0000-0000-{}", person.cast(pl.String).str.pad_start(12, "0"))
    ).to_series()
    feed.add_events(5000, 10, places(clicks) % clicked, persons=uuids)
    feed.add_events(5000, 13, places(opt_outs))
    feed.add_events(5000, 16, places(mirror_pages))
    feed.write()
    pipeline.run()
    ((*figures, reactivity, distinct, cumulated),) = fetch_all(
        connect_as("bi_reader"),
        """
        select
            success_count, estimated_recipient_open_count, estimated_total_open_count, opt_out_click_count,
            mirror_page_click_count, person_click_count, total_click_count, recipient_click_count, forward_count,
            reactivity_rate, distinct_click_rate, cumulated_click_rate
        from marts.deliveries join marts.delivery_indicators using (delivery_id)
        """,
    )
    assert figures == [sent, opened, opens, opt_outs, mirror_pages, persons, clicks, clicked, persons - clicked]
    assert [percent(figure, sent) for figure in figures[1:8]] == [
        "14.49", "21.85", "0.44", "0.15", "0.91", "1.18", "0.81"
    ]  # fmt: skip
    assert [percent(rate, 1) for rate in (reactivity, distinct, cumulated)] == ["5.63", "0.91", "1.18"]
