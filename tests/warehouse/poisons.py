"""What turns each check of the gate red, by the relation and the name of the check.

Where an input can cause it, the poison is rows of exports, events and message bodies beside those of the archive. Where
none can, because the models are right, it is a change of what is stored or shown of the archive's open candidate.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.warehouse.archive import Event, address, body, delivery, log_lines, message, tracked_url, write_body
from tests.warehouse.conftest import (
    CONSENT_COLUMNS,
    DELIVERY_COLUMNS,
    EXCLUSION_COLUMNS,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    URL_COLUMNS,
    Landing,
)

Check = tuple[str, str]


@dataclass(frozen=True)
class InputPoison:
    """Rows of exports, events and bodies by delivery, and the failing keys they give, each with these columns at least.

    `skipped_ids` are missing in the log before the events.
    """

    keys: tuple[Mapping[str, Any], ...]
    deliveries: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    tracked_urls: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    skipped_ids: int = 0
    bodies: Mapping[int, str] = field(default_factory=dict)


HOSTILE_URL = "https://www.example/unsubscribe?<script>alert(1)</script>\n\x1b[31mcritical: forged"
HOSTILE_SERVER = "<img src=x onerror=alert(1)>"
"""The name of the server whose log holds all of the events."""

HOSTILE = """'); drop table raw.deliveries cascade; --"; $$ {{ undefined() }} %s %(n)s {0} \\N \\. <img src=x onerror=alert(1)>"""
"""A text that is none of: SQL in either quotes, a template of dbt, a place of a parameter, a mark of COPY, markup."""

CLEAN = {
    "raw.content_links.content_part",
    "raw.contents.content_part",
    "raw.events.field_6",
    "raw.events.requester_type",
    "raw.events.requester_uuid",
    "raw.rejected_lines.reason",
    "raw.user_agents.browser",
    "raw.user_agents.browser_version",
    "raw.user_agents.device",
    "raw.user_agents.operating_system",
    "raw.user_agents.operating_system_version",
}
"""Columns of texts in `raw` that hold words of ours or what a pattern lets through, letters, digits and hyphens."""

HOSTILE_IN_MARTS = {
    "marts.deliveries.label",
    "marts.source_freshness.server",
    "marts.url_clicks.label",
    "marts.url_clicks.category",
    "marts.url_clicks.source_url",
    "marts_private.recipients.email",
    "ops.file_ledger.file_name",
    "ops.file_ledger.server",
    "ops.file_ledger.warnings",
}


def write_hostile_source(folder: Path) -> Path:
    """Write a source whose names, places and contents are all hostile, but right; return the sources file."""
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    landing = Landing(folder / HOSTILE)
    landing.write_export(
        "deliveries",
        f"{DELIVERY_COLUMNS},{quoted}",
        [delivery(4000, quoted).replace("DM4000", quoted).replace(",,0,95", f",{quoted},0,95") + ",1"],
    )
    landing.write_export(
        "messages",
        MESSAGE_COLUMNS,
        [message(number, 4000).replace("example.net", quoted) for number in range(400, 410)],
    )
    landing.write_export("tracked_urls", URL_COLUMNS, [f"4001,4000,1,{quoted},{quoted},{quoted},0,{quoted},"])
    landing.write_export(
        "recipients", RECIPIENT_COLUMNS.replace("email,", f"{quoted},"), [f"400,{quoted},{quoted},{quoted},2,"]
    )
    landing.write_export("exclusions", EXCLUSION_COLUMNS, [f"1000,399,{quoted},"])
    landing.write_export("consents", CONSENT_COLUMNS, [f"400,{quoted},true,2012-01-01T00:00:00Z"])
    write_body(landing, 4000, body(html.escape(HOSTILE)))
    lines = log_lines([(number, 4000, url_id) for number in (400, 401) for url_id in (1, 4001)], 0x1000)
    lines = [line.replace("\t\tMozilla", f"\t{HOSTILE}\tMozilla").replace("X11", HOSTILE) for line in lines]
    # Beside an address in the last of eleven fields, and in a twelfth.
    lines = [*(f"{line},{HOSTILE}" for line in lines[:2]), *(f"{line}\t{HOSTILE}" for line in lines[2:])]
    landing.write_log([*lines, HOSTILE], HOSTILE)
    landing.write_log([], HOSTILE, HOSTILE)
    (landing.folder / "exports").rename(landing.folder / f"exports {HOSTILE}")
    (landing.folder / "contents").rename(landing.folder / f"contents {HOSTILE}")
    file = folder / "sources.yml"
    source = {
        "name": "hostile",
        "kind": "folder",
        "path": str(landing.folder),
        "exports": f"exports {HOSTILE}",
        "contents": f"contents {HOSTILE}",
        "columns": {"recipients": {"email": HOSTILE}},
    }
    file.write_text(yaml.safe_dump({"sources": [source]}))
    return file


INPUTS: dict[Check, InputPoison] = {
    ("bounces", "reasons_are_known"): InputPoison(
        messages=(message(111, 1000, status=2, failure_reason=99),),
        keys=({"delivery_id": 1000, "domain": "Others", "failure_reason": 99, "error_count": 1},),
    ),
    ("deliveries", "counts_are_possible"): InputPoison(
        deliveries=(delivery(3000, "Counted backwards", target_count=-5),),
        keys=({"delivery_id": 3000, "target_count": -5, "to_deliver_count": -5},),
    ),
    ("deliveries", "statuses_are_known"): InputPoison(
        messages=(message(110, 1000, status=99),), keys=({"delivery_id": 1000, "status": 99, "message_count": 1},)
    ),
    ("delivery_exclusions", "reasons_are_known"): InputPoison(
        deliveries=(delivery(3600, "A reason of its own", 10, 1),),
        exclusions=("3600,304,whim,",),
        keys=({"delivery_id": 3600, "reason": "whim", "exclusion_count": 1},),
    ),
    ("delivery_summary", "counts_are_possible"): InputPoison(
        deliveries=(delivery(3700, "Rejected backwards", 10, -2),),
        keys=({"delivery_id": 3700, "rejected_count": -2, "new_quarantine_count": 0},),
    ),
    ("delivery_summary", "what_is_not_rejected_is_to_deliver"): InputPoison(
        deliveries=(delivery(3800, "Four are missing").replace(",10,0,10,", ",10,0,6,"),),
        keys=({"delivery_id": 3800, "target_count": 10, "rejected_count": 0, "to_deliver_count": 6},),
    ),
    ("delivery_summary", "exclusions_are_the_rejected"): InputPoison(
        deliveries=(delivery(3900, "Excluded and not rejected"),),
        exclusions=("3900,305,duplicate,",),
        keys=({"delivery_id": 3900, "rejected_count": 0, "exclusion_count": 1},),
    ),
    ("delivery_indicators", "opens_are_within_success"): InputPoison(
        deliveries=(delivery(3100, "All complained"),),
        messages=(message(310, 3100, status=2, failure_reason=8),),
        events=((310, 3100, 1),),
        keys=({"delivery_id": 3100, "recipient_open_count": 1, "success_count": 0},),
    ),
    ("hot_clicks", "tracked_links_are_in_the_body"): InputPoison(
        deliveries=(delivery(3200, "A link is not in the body"),),
        tracked_urls=(tracked_url(3201, 3200, 1, "Shop"), tracked_url(3202, 3200, 1, "Nowhere")),
        bodies={3200: body(address(3201))},
        keys=({"delivery_id": 3200, "url_id": 3202, "source_url": address(3202)},),
    ),
    ("message_engagement", "messages_are_known"): InputPoison(
        events=((777, 1000, 1),), keys=({"delivery_id": 1000, "message_id": 777},)
    ),
    ("source_freshness", "no_ids_are_missing"): InputPoison(
        skipped_ids=7,
        events=((100, 1000, 1),),
        keys=({"source": "campaign", "server": HOSTILE_SERVER, "gap_count": 7},),
    ),
    ("tracking_events", "deliveries_are_described"): InputPoison(
        events=((100, 3300, 1),), keys=({"delivery_id": 3300, "event_count": 1},)
    ),
    ("tracking_events", "events_are_linked"): InputPoison(
        deliveries=(delivery(3400, "Its links are missing"),),
        messages=(message(340, 3400),),
        events=((340, 3400, 1), (340, 3400, 3401)),
        keys=({"delivery_id": 3400, "event_count": 2, "unlinked_count": 1},),
    ),
    # Delivery 1000 has enough other events for a single foreign one not to be a share of unlinked ones that warns.
    ("tracking_events", "links_belong_to_the_delivery"): InputPoison(
        events=((100, 1000, 2001),), keys=({"delivery_id": 1000, "message_id": 100, "url_id": 2001},)
    ),
    ("tracking_events", "volume_is_usual"): InputPoison(events=((101, 1000, 1),) * 300, keys=({"new_count": 307},)),
    ("url_clicks", "links_of_the_body_are_tracked"): InputPoison(
        deliveries=(delivery(3500, "A link of the body is not tracked"),),
        bodies={3500: body("https://www.example/untracked")},
        keys=({"delivery_id": 3500, "content_part": "html", "source_url": "https://www.example/untracked"},),
    ),
    ("url_clicks", "opt_out_links_are_declared"): InputPoison(
        tracked_urls=(f'2002,2000,1,Leave,,"{HOSTILE_URL}",0,html,',),
        keys=({"delivery_id": 2000, "url_id": 2002, "source_url": HOSTILE_URL},),
    ),
}


@dataclass(frozen=True)
class StoredPoison:
    """A change in the warehouse, and the other checks of the same suite that cannot but find it too."""

    statement: str
    also: frozenset[str] = frozenset()


def rename_column(view: str, column: str, *also: str) -> StoredPoison:
    """As if a model no longer gave the column; checks that read it cannot be run."""
    return StoredPoison(f"alter view {view} rename column {column} to renamed", frozenset(also))


def double_view(view: str) -> str:
    """As if a model joined one row too many."""
    return f"""
    do $$
    declare
        definition text := rtrim(pg_get_viewdef('{view}'::regclass), ';');
    begin
        execute format('create or replace view {view} as (%s) union all (%s)', definition, definition);
    end $$
    """


def insert_changed(relation: str, where: str, **changes: str) -> str:
    """As if a model gave a row once more, with other values in some columns."""
    changed = ", ".join(f"'{column}', {value}" for column, value in changes.items())
    return f"""
    insert into mart_store.{relation}
    select (jsonb_populate_record(stored, jsonb_build_object({changed}))).*
    from mart_store.{relation} as stored
    where {where}
    """


def stored_publication(status: str, event_count: int = 0) -> str:
    """A row of ops.publications, whose number is 100."""
    return f"""
    insert into ops.publications (
        publication_id, status, base_publication_id, from_position, to_position, is_full, holder, lease_until, event_count
    )
    overriding system value
    values (100, '{status}', 0, 0, 0, false, 'test', now(), {event_count})
    """


# What nobody clicked stands last, and 2000 has no transactions: a row of these more or less changes no sum.
RANKED = {
    "url_clicks": "url_id = 1007",
    "url_label_clicks": "label = 'Quiet'",
    "url_category_clicks": "category = 'quiet'",
}


def ranked(relation: str) -> dict[Check, StoredPoison]:
    """What turns the checks red that links, labels and categories share."""
    last = RANKED[relation]
    return {
        (relation, f"grain_delivery_id_{last.split()[0]}"): StoredPoison(
            insert_changed(relation, last, rank="rank + 1", human_rank="human_rank + 1")
        ),
        (relation, "shares_add_up"): StoredPoison(
            f"update mart_store.{relation} set click_share = click_share + 0.1 where {last}"
        ),
        (relation, "ranks_run_from_one"): StoredPoison(
            f"update mart_store.{relation} set rank = rank + 1 where {last}"
        ),
    }


def visitor_poisons(relation: str) -> dict[Check, StoredPoison]:
    """What turns the checks red that the statistics of browsers and of operating systems share."""
    return {
        (relation, "structure"): rename_column(f"audit.{relation}", "usage_rate", "rates_are_part_over_base"),
        (relation, "grain_activity_date_name_version"): StoredPoison(
            f"insert into mart_store.{relation} select * from mart_store.{relation}",
            also=frozenset({"rates_are_part_over_base"}),
        ),
        (relation, "counts_are_possible"): StoredPoison(f"update mart_store.{relation} set page_count = 0"),
        (relation, "rates_are_part_over_base"): StoredPoison(
            f"update mart_store.{relation} set usage_rate = usage_rate + 1"
        ),
        # All visitors are one.
        (relation, "visitors_of_a_day_are_those_who_clicked"): StoredPoison(
            "update mart_store.int_visitors__pages set visitor_id = '00000000-0000-0000-0000-000000000000'"
        ),
    }


def visitor_poisons_of_people(relation: str) -> dict[Check, StoredPoison]:
    """What turns the same checks red where they look at people's figures."""
    return {
        (relation, "counts_are_possible"): StoredPoison(f"update mart_store.{relation} set human_page_count = 0"),
        (relation, "rates_are_part_over_base"): StoredPoison(
            f"update mart_store.{relation} set human_usage_rate = human_usage_rate + 1"
        ),
        # All clicks of people are one visitor's.
        (relation, "visitors_of_a_day_are_those_who_clicked"): StoredPoison(
            """
            update mart_store.int_visitors__pages as pages
            set human_click_count = case when pages.visitor_id = first.visitor_id then first.click_count else 0 end
            from (
                select visitor_id, sum(human_click_count) over () as click_count
                from mart_store.int_visitors__pages order by visitor_id limit 1
            ) as first
            """
        ),
    }


NEW_PERSON = (
    "insert into mart_store.int_persons__clicks values (1, 2147483647, 1000, gen_random_uuid(), 'Others', 1, 1)"
)

NEW_PERSON_OF_PEOPLE = NEW_PERSON.replace("1, 1)", "0, 1)")

STORED: dict[Check, StoredPoison] = {
    **visitor_poisons("browser_statistics"),
    ("browser_statistics", "visits_are_in_the_click_stream"): StoredPoison(
        "update mart_store.int_visitors__pages set page_count = page_count + 1"
    ),
    ("bounces", "structure"): rename_column("audit.bounces", "failure_label", "labels_are_those_of_the_seed"),
    ("bounces", "grain_delivery_id_domain_failure_reason"): StoredPoison(
        "insert into mart_store.bounces select * from mart_store.bounces where failure_reason = 1",
        also=frozenset({"reasons_add_up_to_the_domain", "reasons_add_up_to_the_delivery"}),
    ),
    ("bounces", "error_count_is_positive"): StoredPoison(
        insert_changed(
            "bounces",
            "failure_reason = 1",
            failure_reason="2",
            failure_label="'Invalid domain'",
            error_count="0",
            contribution_rate="0",
            breakdown_rate="0",
        )
    ),
    ("bounces", "labels_are_those_of_the_seed"): StoredPoison(
        "update mart_store.bounces set failure_label = '' where failure_reason = 1"
    ),
    ("bounces", "reasons_add_up_to_the_domain"): StoredPoison(
        "update mart_store.domain_indicators set hard_bounce_count = hard_bounce_count + 1"
    ),
    ("bounces", "reasons_add_up_to_the_delivery"): StoredPoison(
        "update mart_store.deliveries set error_count = error_count + 1"
    ),
    ("bounces", "breakdowns_are_of_the_domain"): StoredPoison(
        "update mart_store.bounces set breakdown_rate = breakdown_rate + 1"
    ),
    ("deliveries", "structure"): rename_column("audit.deliveries", "internal_name"),
    ("deliveries", "grain_delivery_id"): StoredPoison(
        "insert into mart_store.deliveries select * from mart_store.deliveries where delivery_id = 2000"
    ),
    ("deliveries", "described_deliveries_have_a_row"): StoredPoison(
        "delete from mart_store.deliveries where delivery_id = 2000"
    ),
    ("deliveries", "processed_are_the_delivery_s_messages"): StoredPoison(
        "update mart_store.deliveries set success_count = success_count - 1, error_count = error_count + 1"
    ),
    ("deliveries", "last_event_is_in_the_click_stream"): StoredPoison(
        "update mart_store.deliveries set last_event_at = last_event_at + interval '1 second'"
    ),
    ("delivery_indicators", "structure"): rename_column(
        "audit.delivery_indicators", "platform_reactivity_rate", "platform_averages_are_possible"
    ),
    ("delivery_indicators", "grain_delivery_id"): StoredPoison(
        "insert into mart_store.delivery_indicators select * from mart_store.delivery_indicators"
    ),
    ("delivery_indicators", "every_delivery_has_a_row"): StoredPoison(
        "delete from mart_store.delivery_indicators where delivery_id = 2000"
    ),
    ("delivery_indicators", "counts_are_possible"): StoredPoison(
        "update mart_store.delivery_indicators set estimated_total_open_count = -1"
    ),
    ("delivery_indicators", "people_are_part_of_everybody"): StoredPoison(
        """
        update mart_store.delivery_indicators set human_article_count = article_count + 1;
        update mart_store.int_deliveries__counts set human_article_count = article_count + 1
        """,
        also=frozenset({"counts_are_those_of_the_click_stream"}),
    ),
    ("delivery_indicators", "opens_are_in_the_buckets"): StoredPoison(
        "update mart_store.tracking_buckets set event_count = event_count + 1 where url_id = 1"
    ),
    ("delivery_indicators", "clicks_are_in_the_link_table"): StoredPoison(
        "update mart_store.url_clicks set click_count = click_count + 1"
    ),
    ("delivery_indicators", "recipients_are_in_the_engagement"): StoredPoison(
        "update mart_store.message_engagement set has_clicked = not has_clicked where message_id = 109"
    ),
    ("delivery_indicators", "persons_are_in_the_click_stream"): StoredPoison(NEW_PERSON),
    ("delivery_indicators", "counts_are_those_of_the_click_stream"): StoredPoison(
        "update mart_store.int_deliveries__counts set visited_page_count = visited_page_count + 1",
        also=frozenset({"figures_are_those_of_the_counts"}),
    ),
    ("delivery_indicators", "figures_are_those_of_the_counts"): StoredPoison(
        "update mart_store.delivery_indicators set article_count = article_count + 1"
    ),
    ("delivery_indicators", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.delivery_indicators set cumulated_click_rate = cumulated_click_rate + 1"
    ),
    ("delivery_indicators", "platform_averages_are_possible"): StoredPoison(
        "update mart_store.delivery_indicators set platform_reactivity_rate = -0.1"
    ),
    ("delivery_exclusions", "structure"): rename_column(
        "audit.delivery_exclusions", "exclusion_share", "shares_add_up"
    ),
    # Another share is the same row for the other checks.
    ("delivery_exclusions", "grain_delivery_id_reason"): StoredPoison(
        insert_changed("delivery_exclusions", "reason = 'duplicate'", exclusion_share="0")
    ),
    ("delivery_exclusions", "counts_are_those_kept"): StoredPoison(
        "update mart_store.delivery_exclusions set exclusion_count = exclusion_count + 1 where reason = 'duplicate'"
    ),
    ("delivery_exclusions", "counts_are_the_exclusions"): StoredPoison(
        "update raw.exclusions set reason = 'empty' where recipient_id = 303"
    ),
    ("delivery_exclusions", "shares_add_up"): StoredPoison(
        "update mart_store.delivery_exclusions set exclusion_share = exclusion_share + 0.1 where reason = 'duplicate'"
    ),
    ("delivery_summary", "structure"): rename_column(
        "audit.delivery_summary", "error_rate", "rates_are_part_over_base"
    ),
    ("delivery_summary", "grain_delivery_id"): StoredPoison(
        "insert into mart_store.delivery_summary select * from mart_store.delivery_summary where delivery_id = 2000"
    ),
    ("delivery_summary", "figures_are_the_delivery_s"): StoredPoison(
        "delete from mart_store.delivery_summary where delivery_id = 2000"
    ),
    ("delivery_summary", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.delivery_summary set success_rate = success_rate + 0.1"
    ),
    ("domain_indicators", "structure"): rename_column(
        "audit.domain_indicators", "opt_out_rate", "rates_are_part_over_base"
    ),
    ("domain_indicators", "grain_delivery_id_domain"): StoredPoison(
        "insert into mart_store.domain_indicators select * from mart_store.domain_indicators where delivery_id = 2000",
        also=frozenset({"domains_add_up_to_the_delivery"}),
    ),
    ("domain_indicators", "domains_are_in_the_seed"): StoredPoison(
        "update mart_store.domain_indicators set domain = 'Elsewhere' where delivery_id = 2000",
        also=frozenset({"figures_are_those_of_the_counts"}),
    ),
    ("domain_indicators", "counts_are_possible"): StoredPoison(
        "update mart_store.domain_indicators set hard_bounce_count = -1",
        also=frozenset({"figures_are_those_of_the_counts", "rates_are_part_over_base"}),
    ),
    ("domain_indicators", "domains_add_up_to_the_delivery"): StoredPoison(
        "update mart_store.delivery_indicators set opt_out_click_count = opt_out_click_count + 1"
    ),
    ("domain_indicators", "figures_are_those_of_the_counts"): StoredPoison(
        "update mart_store.int_domains__counts set prepared_count = prepared_count + 1"
    ),
    ("domain_indicators", "counts_are_those_of_the_messages"): StoredPoison(
        "update mart_store.int_domains__counts set message_count = message_count + 1"
    ),
    ("domain_indicators", "persons_are_those_who_clicked_there"): StoredPoison(
        NEW_PERSON, also=frozenset({"clicks_are_in_the_domain_of_their_message"})
    ),
    ("domain_indicators", "clicks_are_in_the_domain_of_their_message"): StoredPoison(
        "delete from mart_store.int_tracking_events__judged where event_type = 'opt_out'"
    ),
    ("domain_indicators", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.domain_indicators set click_rate = click_rate + 1"
    ),
    ("hot_clicks", "structure"): rename_column("audit.hot_clicks", "occurrence", "tracked_links_are_in_the_body"),
    ("hot_clicks", "grain_delivery_id_url_id"): StoredPoison(
        "insert into mart_store.hot_clicks select * from mart_store.hot_clicks where url_id = 1001"
    ),
    ("hot_clicks", "clicks_are_in_the_link_table"): StoredPoison(
        "update mart_store.hot_clicks set click_count = click_count + 1 where url_id = 1001"
    ),
    ("hot_clicks", "only_plain_links_are_drawn"): StoredPoison(
        "update mart_store.hot_clicks set is_drawn = not is_drawn where url_id = 1001"
    ),
    ("message_engagement", "structure"): rename_column(
        "audit.message_engagement", "recipient_id", "every_message_has_a_row"
    ),
    # Message 109 has not reacted.
    ("message_engagement", "grain_delivery_id_message_id"): StoredPoison(
        "insert into mart_store.message_engagement select * from mart_store.message_engagement where message_id = 109"
    ),
    ("message_engagement", "every_message_has_a_row"): StoredPoison(
        "delete from mart_store.message_engagement where message_id = 109"
    ),
    ("message_engagement", "every_row_is_a_message"): StoredPoison(
        "update mart_store.message_engagement set message_id = 9999, is_seed = null where message_id = 109",
        also=frozenset({"every_message_has_a_row", "messages_are_known"}),
    ),
    ("message_engagement", "reactions_are_in_the_click_stream"): StoredPoison(
        "delete from mart_store.int_tracking_events__judged where event_type = 'opt_out'"
    ),
    ("message_engagement", "flags_and_times_agree"): StoredPoison(
        "update mart_store.message_engagement set last_opened_at = null where message_id = 100"
    ),
    ("open_breakdown", "structure"): rename_column("audit.open_breakdown", "is_mobile", "devices_are_mobile_or_fixed"),
    # A row of many opens becomes two.
    ("open_breakdown", "grain_delivery_id_operating_system_device_browser"): StoredPoison(
        insert_changed("open_breakdown", "delivery_id = 1000", open_count="1", human_open_count="1")
        + """
        ; update mart_store.open_breakdown set open_count = open_count - 1, human_open_count = human_open_count - 1
        where delivery_id = 1000 and open_count > 1
        """
    ),
    ("open_breakdown", "open_count_is_positive"): StoredPoison(
        insert_changed("open_breakdown", "delivery_id = 1000", browser="'Others'", open_count="0", human_open_count="0")
    ),
    ("open_breakdown", "opens_add_up_to_the_indicators"): StoredPoison(
        "update mart_store.open_breakdown set open_count = open_count + 1"
    ),
    ("open_breakdown", "names_are_families"): StoredPoison("update mart_store.open_breakdown set browser = 'Netscape'"),
    ("open_breakdown", "devices_are_mobile_or_fixed"): StoredPoison(
        "update mart_store.open_breakdown set is_mobile = true"
    ),
    **visitor_poisons("operating_system_statistics"),
    ("operating_system_statistics", "days_are_those_of_the_browsers"): StoredPoison(
        "update mart_store.browser_statistics set day_visitor_count = day_visitor_count + 1"
    ),
    ("publications", "structure"): rename_column("marts.publications", "verdict"),
    ("publications", "grain_publication_id"): StoredPoison(
        stored_publication("rolled_back") + ";" + double_view("marts.publications")
    ),
    ("publications", "one_is_live"): StoredPoison(
        stored_publication("rolled_back") + "; update ops.publication_state set live_publication = 100"
    ),
    ("publications", "published_events_were_loaded"): StoredPoison(stored_publication("published", event_count=1)),
    ("recipients", "structure"): rename_column("audit.recipients", "first_name"),
    ("recipients", "grain_recipient_id"): StoredPoison(
        "insert into mart_store.recipients select * from mart_store.recipients where recipient_id = 101"
    ),
    ("recipients", "recipients_are_the_reference_data_s"): StoredPoison(
        "delete from mart_store.recipients where recipient_id = 101"
    ),
    ("sharing_activity", "structure"): rename_column(
        "audit.sharing_activity", "sharing_rate", "rates_are_part_over_base"
    ),
    # Nobody shared anything of the archive.
    ("sharing_activity", "grain_delivery_id_network"): StoredPoison(
        "insert into mart_store.sharing_activity select * from mart_store.sharing_activity where network = 'Digg'"
    ),
    ("sharing_activity", "every_delivery_has_every_network"): StoredPoison(
        "update mart_store.sharing_activity set network = 'Myspace' where network = 'Digg'"
    ),
    ("sharing_activity", "shares_are_the_clicks_of_the_categories"): StoredPoison(
        "update mart_store.url_category_clicks set category = 'digg' where category = 'promo'"
    ),
    ("sharing_activity", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.sharing_activity set sharing_rate = 0.1 where network = 'Digg'"
    ),
    ("source_freshness", "structure"): rename_column("marts.source_freshness", "newest_event_at"),
    ("source_freshness", "grain_source_server"): StoredPoison(double_view("marts.source_freshness")),
    ("source_freshness", "rejected_lines_are_kept"): StoredPoison(
        "update ops.file_ledger set line_count = line_count + 1, rejected_count = 1 where kind = 'tracking_log'"
    ),
    # Only time makes a load old.
    ("source_freshness", "logs_are_read"): StoredPoison(
        "update ops.file_ledger set pulled_at = pulled_at - interval '25 hours'"
    ),
    ("tracking_buckets", "structure"): rename_column(
        "audit.tracking_buckets",
        "bucket_at",
        "grain_delivery_id_url_id_bucket_at",
        "bucket_is_aligned",
        "event_count_is_positive",
    ),
    # A bucket of two events becomes two of one.
    ("tracking_buckets", "grain_delivery_id_url_id_bucket_at"): StoredPoison(
        """
        with halved as (
            update mart_store.tracking_buckets set event_count = 1, human_event_count = 1 where event_count = 2 returning *
        )
        insert into mart_store.tracking_buckets select * from halved
        """
    ),
    ("tracking_buckets", "event_count_is_positive"): StoredPoison(
        insert_changed(
            "tracking_buckets", "true", bucket_at="bucket_at + interval '1 day'", event_count="0", human_event_count="0"
        )
    ),
    ("tracking_buckets", "bucket_is_aligned"): StoredPoison(
        "update mart_store.tracking_buckets set bucket_at = bucket_at + interval '1 second'"
    ),
    ("tracking_buckets", "adds_up_to_the_click_stream"): StoredPoison(
        "update mart_store.tracking_buckets set event_count = event_count + 1"
    ),
    ("tracking_events", "structure"): rename_column("audit.tracking_events", "browser"),
    ("tracking_events", "grain_event_id"): StoredPoison(
        "update mart_store.int_tracking_events__judged set counter = 1 where delivery_id = 1000",
        also=frozenset({"events_are_judged_once"}),
    ),
    ("tracking_events", "every_event_has_an_id_of_its_own"): StoredPoison(
        "update ops.id_ranges set loaded_ids = loaded_ids - '{[1,2)}'"
    ),
    ("tracking_events", "loaded_is_kept_plus_duplicate_opens"): StoredPoison(
        "update ops.file_ledger set line_count = line_count + 1, accepted_count = accepted_count + 1 where kind = 'tracking_log'",
        also=frozenset({"every_event_has_an_id_of_its_own"}),
    ),
    ("tracking_events", "events_are_judged_once"): StoredPoison(
        insert_changed(
            "int_tracking_events__judged", "event_type = 'transaction'", counter="counter + 1000", is_counted="false"
        )
    ),
    ("tracking_events", "nobody_who_refuses_is_shown"): StoredPoison(
        "insert into raw.consents values (1, null, 100, 'tracking', false, '2012-03-05')"
    ),
    ("tracking_events", "people_s_figures_are_of_people"): StoredPoison(
        "update mart_store.int_tracking_events__judged set actor_class = 's' where event_type = 'transaction'"
    ),
    ("tracking_events", "delivery_is_complete"): StoredPoison(
        "update mart_store.int_deliveries__counts set duplicate_open_count = duplicate_open_count + 1"
    ),
    ("tracking_statistics", "structure"): rename_column(
        "audit.tracking_statistics", "seconds_to_percent", "later_percents_take_longer", "series_are_in_the_indicators"
    ),
    ("tracking_statistics", "grain_delivery_id_series_percent"): StoredPoison(
        """
        update mart_store.tracking_statistics set percent = 20
        where delivery_id = 2000 and series = 'transactions' and percent = 10
        """
    ),
    ("tracking_statistics", "every_delivery_has_27_rows"): StoredPoison(
        """
        update mart_store.tracking_statistics set percent = 15
        where delivery_id = 2000 and series = 'transactions' and percent = 10
        """
    ),
    ("tracking_statistics", "later_percents_take_longer"): StoredPoison(
        "update mart_store.tracking_statistics set seconds_to_percent = -300 where percent = 50 and series = 'opens'"
    ),
    ("tracking_statistics", "series_are_in_the_indicators"): StoredPoison(
        "update mart_store.delivery_indicators set transaction_count = 1 - transaction_count"
    ),
    ("user_activity", "structure"): rename_column(
        "audit.user_activity",
        "half_hour_at",
        "grain_delivery_id_series_half_hour_at",
        "event_count_is_positive",
        "half_hours_are_aligned",
        "opens_are_in_the_buckets",
    ),
    # A half hour of many clicks becomes two of one.
    ("user_activity", "grain_delivery_id_series_half_hour_at"): StoredPoison(
        insert_changed("user_activity", "series = 'clicks' and event_count > 1", event_count="1", human_event_count="1")
        + """
        ; update mart_store.user_activity set event_count = event_count - 1, human_event_count = human_event_count - 1
        where series = 'clicks' and event_count > 1
        """
    ),
    ("user_activity", "event_count_is_positive"): StoredPoison(
        insert_changed(
            "user_activity",
            "series = 'clicks'",
            half_hour_at="half_hour_at + interval '1 day'",
            event_count="0",
            human_event_count="0",
        )
    ),
    ("user_activity", "half_hours_are_aligned"): StoredPoison(
        "update mart_store.user_activity set half_hour_at = half_hour_at + interval '5 minutes' where series = 'clicks'"
    ),
    ("user_activity", "opens_are_in_the_buckets"): StoredPoison(
        """
        update mart_store.user_activity set half_hour_at = half_hour_at + interval '30 minutes'
        where series = 'opens' and delivery_id = 1000
        """
    ),
    ("user_activity", "series_add_up_to_the_indicators"): StoredPoison(
        "update mart_store.user_activity set event_count = event_count + 1 where series = 'transactions'"
    ),
    ("url_category_clicks", "structure"): rename_column("audit.url_category_clicks", "rank", "ranks_run_from_one"),
    **ranked("url_category_clicks"),
    ("url_category_clicks", "adds_up_the_links"): StoredPoison(
        "update mart_store.url_clicks set click_count = click_count + 1"
    ),
    ("url_clicks", "structure"): rename_column("audit.url_clicks", "category"),
    **ranked("url_clicks"),
    ("url_clicks", "clicks_are_in_the_buckets"): StoredPoison(
        "update mart_store.tracking_buckets set event_count = event_count + 1 where url_id = 1001"
    ),
    ("url_clicks", "every_tracked_url_has_a_row"): StoredPoison(
        "update mart_store.url_clicks set url_id = 9999 where url_id = 1007"
    ),
    ("url_clicks_by_day", "structure"): rename_column(
        "audit.url_clicks_by_day", "click_date", "grain_delivery_id_url_id_click_date", "click_count_is_positive"
    ),
    # A day of many clicks becomes two rows.
    ("url_clicks_by_day", "grain_delivery_id_url_id_click_date"): StoredPoison(
        insert_changed("url_clicks_by_day", "url_id = 1001", click_count="1", human_click_count="1")
        + """
        ; update mart_store.url_clicks_by_day set click_count = click_count - 1, human_click_count = human_click_count - 1
        where url_id = 1001 and click_count > 1
        """
    ),
    ("url_clicks_by_day", "click_count_is_positive"): StoredPoison(
        insert_changed(
            "url_clicks_by_day", "url_id = 1001", click_date="click_date + 1", click_count="0", human_click_count="0"
        )
    ),
    ("url_clicks_by_day", "days_add_up_to_the_link"): StoredPoison(
        "update mart_store.url_clicks_by_day set click_count = click_count + 1"
    ),
    ("url_label_clicks", "structure"): rename_column("audit.url_label_clicks", "rank", "ranks_run_from_one"),
    **ranked("url_label_clicks"),
    ("url_label_clicks", "adds_up_the_links"): StoredPoison(
        "update mart_store.url_clicks set click_count = click_count + 1"
    ),
}

PEOPLE: dict[Check, StoredPoison] = {
    **visitor_poisons_of_people("browser_statistics"),
    ("browser_statistics", "visits_are_in_the_click_stream"): StoredPoison(
        "update mart_store.int_visitors__pages set human_page_count = human_page_count + 1"
    ),
    **visitor_poisons_of_people("operating_system_statistics"),
    ("operating_system_statistics", "days_are_those_of_the_browsers"): StoredPoison(
        "update mart_store.browser_statistics set human_day_visitor_count = human_day_visitor_count + 1"
    ),
    ("delivery_indicators", "counts_are_possible"): StoredPoison(
        "update mart_store.delivery_indicators set human_estimated_total_open_count = -1"
    ),
    ("delivery_indicators", "opens_are_in_the_buckets"): StoredPoison(
        "update mart_store.tracking_buckets set human_event_count = human_event_count + 1 where url_id = 1"
    ),
    ("delivery_indicators", "clicks_are_in_the_link_table"): StoredPoison(
        "update mart_store.url_clicks set human_click_count = human_click_count + 1"
    ),
    ("delivery_indicators", "recipients_are_in_the_engagement"): StoredPoison(
        "update mart_store.message_engagement set human_has_clicked = not has_clicked where message_id = 109"
    ),
    ("delivery_indicators", "persons_are_in_the_click_stream"): StoredPoison(NEW_PERSON_OF_PEOPLE),
    ("delivery_indicators", "counts_are_those_of_the_click_stream"): StoredPoison(
        "update mart_store.int_deliveries__counts set human_visited_page_count = human_visited_page_count + 1",
        also=frozenset({"figures_are_those_of_the_counts"}),
    ),
    ("delivery_indicators", "figures_are_those_of_the_counts"): StoredPoison(
        "update mart_store.delivery_indicators set human_forward_count = human_forward_count + 1"
    ),
    ("delivery_indicators", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.delivery_indicators set human_cumulated_click_rate = human_cumulated_click_rate + 1"
    ),
    ("delivery_indicators", "platform_averages_are_possible"): StoredPoison(
        "update mart_store.delivery_indicators set human_platform_reactivity_rate = -0.1"
    ),
    ("domain_indicators", "counts_are_possible"): StoredPoison(
        "update mart_store.domain_indicators set human_opt_out_click_count = -1",
        also=frozenset(
            {"domains_add_up_to_the_delivery", "figures_are_those_of_the_counts", "rates_are_part_over_base"}
        ),
    ),
    ("domain_indicators", "domains_add_up_to_the_delivery"): StoredPoison(
        "update mart_store.delivery_indicators set human_opt_out_click_count = human_opt_out_click_count + 1"
    ),
    ("domain_indicators", "figures_are_those_of_the_counts"): StoredPoison(
        "update mart_store.int_domains__counts set human_person_click_count = human_person_click_count + 1",
        also=frozenset({"persons_are_those_who_clicked_there"}),
    ),
    ("domain_indicators", "counts_are_those_of_the_messages"): StoredPoison(
        "update mart_store.message_engagement set human_has_clicked = not has_clicked where message_id = 109"
    ),
    ("domain_indicators", "persons_are_those_who_clicked_there"): StoredPoison(
        NEW_PERSON_OF_PEOPLE, also=frozenset({"clicks_are_in_the_domain_of_their_message"})
    ),
    ("domain_indicators", "clicks_are_in_the_domain_of_their_message"): StoredPoison(
        "update mart_store.int_tracking_events__judged set human_is_counted = false where event_type = 'opt_out'"
    ),
    ("domain_indicators", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.domain_indicators set human_click_rate = human_click_rate + 1"
    ),
    ("hot_clicks", "clicks_are_in_the_link_table"): StoredPoison(
        "update mart_store.hot_clicks set human_click_count = human_click_count + 1 where url_id = 1001"
    ),
    ("message_engagement", "reactions_are_in_the_click_stream"): StoredPoison(
        "update mart_store.message_engagement set human_event_count = human_event_count + 1 where message_id = 100"
    ),
    ("message_engagement", "flags_and_times_agree"): StoredPoison(
        "update mart_store.message_engagement set human_last_opened_at = null where message_id = 100"
    ),
    ("open_breakdown", "open_count_is_positive"): StoredPoison(
        "update mart_store.open_breakdown set human_open_count = -1",
        also=frozenset({"opens_add_up_to_the_indicators"}),
    ),
    ("open_breakdown", "opens_add_up_to_the_indicators"): StoredPoison(
        "update mart_store.open_breakdown set human_open_count = human_open_count + 1"
    ),
    ("sharing_activity", "shares_are_the_clicks_of_the_categories"): StoredPoison(
        "update mart_store.url_category_clicks set category = 'digg', click_count = 0 where category = 'promo'"
    ),
    ("sharing_activity", "rates_are_part_over_base"): StoredPoison(
        "update mart_store.sharing_activity set human_sharing_rate = 0.1 where network = 'Digg'"
    ),
    ("tracking_buckets", "event_count_is_positive"): StoredPoison(
        "update mart_store.tracking_buckets set human_event_count = -1",
        also=frozenset({"adds_up_to_the_click_stream"}),
    ),
    ("tracking_buckets", "adds_up_to_the_click_stream"): StoredPoison(
        "update mart_store.tracking_buckets set human_event_count = human_event_count + 1"
    ),
    ("tracking_statistics", "later_percents_take_longer"): StoredPoison(
        "update mart_store.tracking_statistics set human_seconds_to_percent = -300 where percent = 50 and series = 'opens'"
    ),
    ("tracking_statistics", "series_are_in_the_indicators"): StoredPoison(
        "update mart_store.delivery_indicators set human_transaction_count = 1 - human_transaction_count"
    ),
    ("user_activity", "event_count_is_positive"): StoredPoison(
        "update mart_store.user_activity set human_event_count = -1 where series = 'clicks'",
        also=frozenset({"series_add_up_to_the_indicators"}),
    ),
    ("user_activity", "opens_are_in_the_buckets"): StoredPoison(
        """
        update mart_store.tracking_buckets set human_event_count = human_event_count + 1
        where url_id = 1 and delivery_id = 1000
        """
    ),
    ("user_activity", "series_add_up_to_the_indicators"): StoredPoison(
        "update mart_store.user_activity set human_event_count = human_event_count + 1 where series = 'transactions'"
    ),
    ("url_clicks", "clicks_are_in_the_buckets"): StoredPoison(
        "update mart_store.tracking_buckets set human_event_count = human_event_count + 1 where url_id = 1001"
    ),
    ("url_clicks_by_day", "days_add_up_to_the_link"): StoredPoison(
        "update mart_store.url_clicks_by_day set human_click_count = human_click_count + 1"
    ),
    **{
        (relation, "adds_up_the_links"): StoredPoison(
            "update mart_store.url_clicks set human_click_count = human_click_count + 1"
        )
        for relation in ("url_label_clicks", "url_category_clicks")
    },
    **{
        (relation, "shares_add_up"): StoredPoison(
            f"update mart_store.{relation} set human_click_share = human_click_share + 0.1 where {last}"
        )
        for relation, last in RANKED.items()
    },
    **{
        (relation, "ranks_run_from_one"): StoredPoison(
            f"update mart_store.{relation} set human_rank = human_rank + 1 where {last}"
        )
        for relation, last in RANKED.items()
    },
}
"""What turns the same checks red where they look at people's figures."""

# One run of dbt finds them all.
DBT_TESTS: dict[Check, str] = {
    ("deliveries", "unique_deliveries_delivery_id"): STORED["deliveries", "grain_delivery_id"].statement,
    ("delivery_indicators", "unique_delivery_indicators_delivery_id"): STORED[
        "delivery_indicators", "grain_delivery_id"
    ].statement,
    (
        "delivery_indicators",
        "relationships_delivery_indicators_delivery_id__delivery_id__ref_deliveries_",
    ): insert_changed("delivery_indicators", "delivery_id = 1000", delivery_id="9999"),
    ("delivery_summary", "unique_delivery_summary_delivery_id"): STORED[
        "delivery_summary", "grain_delivery_id"
    ].statement,
    (
        "delivery_summary",
        "relationships_delivery_summary_delivery_id__delivery_id__ref_deliveries_",
    ): insert_changed("delivery_summary", "delivery_id = 1000", delivery_id="9999"),
    ("domains", "unique_domains_lower_alias_"): "insert into staging.domains values ('Elsewhere', 'GMAIL.com')",
    ("publications", "unique_publications_publication_id"): STORED["publications", "grain_publication_id"].statement,
    ("recipients", "unique_recipients_recipient_id"): STORED["recipients", "grain_recipient_id"].statement,
    ("tracking_events", "unique_tracking_events_event_id"): STORED["tracking_events", "grain_event_id"].statement,
    (
        "tracking_events",
        "accepted_values_tracking_events_event_type__open__click__opt_out__web__transaction__mirror_page__unknown",
    ): "update mart_store.int_tracking_events__judged set event_type = 'shrug' where delivery_id = 2000",
    (
        "tracking_statistics",
        "accepted_values_tracking_statistics_series__opens__clicks__transactions",
    ): "update mart_store.tracking_statistics set series = 'shrugs' where delivery_id = 2000",
    (
        "user_activity",
        "accepted_values_user_activity_series__opens__clicks__transactions",
    ): "update mart_store.user_activity set series = 'shrugs' where delivery_id = 2000",
}
