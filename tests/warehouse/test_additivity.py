"""What adds up and what does not (spec 4.14), on random deliveries: counts of events do, distinct counts do not."""

import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from message_tracking.warehouse import fetch_all

CONTACT = datetime.datetime(2026, 1, 5, 20, tzinfo=datetime.UTC)
UUIDS = [
    "",
    "730EDCC9-1F2C-4C75-BA3A-889BC666C6C7",
    "730edcc9-1f2c-4c75-ba3a-889bc666c6c7",
    "fe37a503-77e8-4394-bf88-51ee39edc13b",
]
AGENTS = ["Firefox/10.0", "Firefox/10.0", "Mozilla/5.0", "Googlebot/2.1"]

# Address domain, status and failure reason of each message of a delivery, from 1 on.
MESSAGES = {1: "gmail.com,1,0", 2: "example.net,1,0", 3: "Outlook.com,2,5"}

links = st.tuples(
    st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6, 0, 9, ""]),
    st.sampled_from(["Shop", "Shop", "shop", "Blog", ""]),
    st.sampled_from(["", "facebook", "news"]),
    st.sampled_from(["", "0", "7"]),
)
reactions = st.tuples(
    st.integers(0, 4),  # message: 0 is none, above the delivery's own it is unknown
    st.integers(0, 7),  # link: 0 is the pixel, above the delivery's own it is unknown
    st.one_of(st.integers(0, 400), st.integers(0, 3 * 86_400)),
    st.sampled_from(UUIDS),
    st.sampled_from(AGENTS),
)
deliveries = st.fixed_dictionaries(
    {
        "messages": st.integers(0, 3),
        "links": st.lists(links, min_size=2, max_size=6),
        "reactions": st.lists(reactions, min_size=15, max_size=40),
        "has_contact": st.booleans(),
        "text": st.integers(0, 5),
    }
)

# Each query gives the deliveries for which something does not add up, for everybody's figures and for people's.
ADDS_UP = {
    "log and buckets": """
        select delivery_id from (select delivery_id, url_id, count(*) filter (where {who}is_counted) as n from marts.tracking_events group by 1, 2) as a
        full join (select delivery_id, url_id, sum({who}event_count) as n from marts.tracking_buckets group by 1, 2) as b
        using (delivery_id, url_id) where a.n is distinct from b.n
    """,
    "buckets and links": """
        select delivery_id from marts.url_clicks
        left join (select delivery_id, url_id, sum({who}event_count) as n from marts.tracking_buckets group by 1, 2) as b
        using (delivery_id, url_id) where {who}click_count <> coalesce(n, 0)
    """,
    "links and days": """
        select delivery_id from marts.url_clicks
        left join (select delivery_id, url_id, sum({who}click_count) as n from marts.url_clicks_by_day group by 1, 2) as b
        using (delivery_id, url_id) where {who}click_count <> coalesce(n, 0)
    """,
    "links and labels": """
        select delivery_id from (select delivery_id, label, sum({who}click_count) as n from marts.url_clicks group by 1, 2) as a
        full join marts.url_label_clicks using (delivery_id, label) where n is distinct from {who}click_count
    """,
    "links and categories": """
        select delivery_id from (select delivery_id, category, sum({who}click_count) as n from marts.url_clicks group by 1, 2) as a
        full join marts.url_category_clicks using (delivery_id, category) where n is distinct from {who}click_count
    """,
    "shares by link, label and category": """
        select delivery_id from (
            select delivery_id, {who}click_share as share, {who}click_count as n from marts.url_clicks
            union all select delivery_id, 2 * {who}click_share, {who}click_count from marts.url_label_clicks
            union all select delivery_id, 4 * {who}click_share, {who}click_count from marts.url_category_clicks
        ) as shares
        group by delivery_id having abs(sum(share) - 7 * (sum(n) > 0)::integer) > 1e-12
    """,
    "links and indicators": """
        select delivery_id from marts.delivery_indicators
        left join (
            select delivery_id, sum({who}click_count) filter (where url_type = 1) as clicks, sum({who}click_count) filter (where url_type = 3) as opt_outs,
                sum({who}click_count) filter (where url_type = 6) as mirrors, sum({who}click_count) filter (where url_type in (4, 5)) as pages,
                sum({who}click_count) as all_clicks
            from marts.url_clicks group by 1
        ) as b using (delivery_id)
        where ({who}total_click_count, {who}opt_out_click_count, {who}mirror_page_click_count, {who}visited_page_count)
            <> (coalesce(clicks, 0), coalesce(opt_outs, 0), coalesce(mirrors, 0), coalesce(pages, 0))
            or {who}total_click_count > coalesce(all_clicks, 0)
    """,
    "half hours and indicators": """
        select delivery_id from marts.delivery_indicators
        left join (
            select delivery_id, sum({who}event_count) filter (where series = 'opens') as opens, sum({who}event_count) filter (where series = 'clicks') as clicks,
                sum({who}event_count) filter (where series = 'transactions') as transactions
            from marts.user_activity group by 1
        ) as b using (delivery_id)
        where ({who}total_open_count, {who}total_click_count, {who}transaction_count) <> (coalesce(opens, 0), coalesce(clicks, 0), coalesce(transactions, 0))
    """,
    "categories and networks": """
        select delivery_id from (select delivery_id, sum({who}share_count) as n from marts.sharing_activity group by 1) as a
        full join (
            select delivery_id, coalesce(sum({who}click_count) filter (where category = 'facebook'), 0) as n
            from marts.deliveries left join marts.url_category_clicks using (delivery_id) group by 1
        ) as b using (delivery_id) where a.n is distinct from b.n
    """,
    "breakdown and indicators": """
        select delivery_id from marts.delivery_indicators
        left join (select delivery_id, sum({who}open_count) as n from marts.open_breakdown group by 1) as b using (delivery_id)
        where {who}total_open_count <> coalesce(n, 0)
    """,
    "messages and indicators": """
        select delivery_id from marts.delivery_indicators
        left join (select delivery_id, count(*) filter (where {who}has_clicked) as n from marts.message_engagement group by 1) as b using (delivery_id)
        where {who}recipient_click_count <> coalesce(n, 0)
    """,
    "domains and delivery": """
        select delivery_id from marts.deliveries join marts.delivery_indicators using (delivery_id)
        left join (
            select delivery_id, sum(processed_count) as processed, sum(success_count) as success, sum(hard_bounce_count + soft_bounce_count) as bounces,
                sum({who}recipient_open_count) as opened, sum({who}recipient_click_count) as clicked, sum({who}opt_out_click_count) as opt_outs, sum({who}person_click_count) as persons
            from marts.domain_indicators group by 1
        ) as b using (delivery_id)
        where (processed_count, success_count, error_count, {who}recipient_open_count, {who}recipient_click_count, {who}opt_out_click_count)
            <> (coalesce(processed, 0), coalesce(success, 0), coalesce(bounces, 0), coalesce(opened, 0), coalesce(clicked, 0), coalesce(opt_outs, 0))
            or {who}person_click_count > coalesce(persons, 0)
    """,
    "domains and messages": """
        select delivery_id from marts.domain_indicators
        left join (
            select delivery_id, domain, count(*) filter (where {who}event_count > 0) as opened, count(*) filter (where {who}has_clicked) as clicked
            from marts.message_engagement group by 1, 2
        ) as b using (delivery_id, domain)
        where ({who}recipient_open_count, {who}recipient_click_count) <> (coalesce(opened, 0), coalesce(clicked, 0))
    """,
    "domains and reasons": """
        select delivery_id from marts.domain_indicators
        left join (select delivery_id, domain, sum(error_count) as n, sum(breakdown_rate) as rate from marts.bounces group by 1, 2) as b
        using (delivery_id, domain) where error_count <> coalesce(n, 0) or abs(coalesce(rate, 0) * processed_count - error_count) > 1e-12
    """,
    "log and indicators": """
        select delivery_id from marts.delivery_indicators
        left join (
            select delivery_id, count(*) filter (where event_type = 'open') as opens, count(distinct message_id) filter (where message_id <> 0) as recipients
            from marts.tracking_events where {who}is_counted group by 1
        ) as b using (delivery_id)
        where ({who}total_open_count, {who}recipient_open_count) <> (coalesce(opens, 0), coalesce(recipients, 0))
    """,
}
# Who clicked two links is in the count of each, and once in the delivery's.
DISTINCT_BY_LINK = """
    select sum(by_link.n) as by_link, sum(indicators.{measure}) as by_delivery
    from (
        select delivery_id, sum(n) as n from (
            select delivery_id, url_id, count(distinct nullif({whom}::text, '0')) as n
            from marts.tracking_events where {who}is_counted and event_type = 'click' group by 1, 2
        ) as links group by 1
    ) as by_link
    inner join marts.delivery_indicators as indicators using (delivery_id)
    {where}
"""
AUDIENCES = ("", "human_")
DISTINCT = [
    {"who": who, "whom": whom, "measure": f"{who}{measure}"}
    for who in AUDIENCES
    for whom, measure in (("message_id", "recipient_click_count"), ("person_id", "person_click_count"))
]


@pytest.fixture
def fed(landing, pipeline):
    """Feed random deliveries under ids that were not used before; gives their number."""
    count = 0

    def feed(batch) -> None:
        nonlocal count
        described, messages, urls, lines = [], [], [], []
        for delivery in batch:
            count += 1
            delivery_id, first_message, first_url = 1000 * count, 100_000 * count, 200_000_000 + 1000 * count
            contact = f"{CONTACT:%Y-%m-%dT%H:%M:%SZ}" if delivery["has_contact"] else ""
            described.append(
                f"{delivery_id},DM{delivery_id},News,,0,95,false,false,,,5,0,5,{delivery['text']},0,{contact},,"
            )
            messages += [
                f"{first_message + place},{delivery_id},{place},{MESSAGES[place]},false,,"
                for place in range(1, delivery["messages"] + 1)
            ]
            urls += [
                f"{first_url + place},{delivery_id},{url_type},{label},{category},https://www.example/{place},0,html,{offer}"
                for place, (url_type, label, category, offer) in enumerate(delivery["links"], start=1)
            ]
            for place, (message, url, seconds, uuid, agent) in enumerate(delivery["reactions"]):
                at = CONTACT + datetime.timedelta(seconds=seconds)
                message_id, url_id = first_message + message if message else 0, first_url + url if url else 1
                lines.append(
                    f"50x{count * 1000 + place:016X}\t{at:%Y-%m-%dT%H:%M:%S}\t{message_id:x}\t{delivery_id:x}\t{url_id:x}\t0\t{uuid}\th\t\t{agent}\t203.0.113.10"
                )
        landing.describe(deliveries=described, messages=messages, tracked_urls=urls)
        landing.write_log(lines, name=f"0x{count:016X}.log")
        pipeline.run()

    return feed


def test_events_add_up_and_persons_do_not(fed, connect_as):
    reader = connect_as("bi_reader")
    reader.autocommit = True

    @settings(max_examples=2, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(deliveries, min_size=20, max_size=30))
    def check(batch):
        fed(batch)
        for who in AUDIENCES:
            unequal = {name: fetch_all(reader, query.format(who=who)) for name, query in ADDS_UP.items()}
            assert {name: rows for name, rows in unequal.items() if rows} == {}
        for distinct in DISTINCT:
            less = DISTINCT_BY_LINK.format(
                **distinct, where="where by_link.n < indicators.{measure}".format(**distinct)
            )
            assert fetch_all(reader, less) == [(None, None)]

    check()
    # Among everybody there are some who clicked two links.
    for distinct in DISTINCT[:2]:
        ((by_link, by_delivery),) = fetch_all(reader, DISTINCT_BY_LINK.format(**distinct, where=""))
        assert by_link > by_delivery
    assert fetch_all(reader, "select bool_or(is_automatic), bool_and(is_automatic) from marts.tracking_events") == [
        (True, False)
    ]
