"""The heaviest marts written by hand for DuckDB, over Parquet files of the same raw rows."""

from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from benchmarks.mart_figures import figures
from benchmarks.measuring import seconds
from benchmarks.warehouses import BenchWarehouse
from pyarrow import csv, parquet

RAW = {
    "events": """
        select
            (extract(epoch from occurred_at) * 1000000)::bigint as occurred_at, source, prefix::text, counter,
            message_id, delivery_id, url_id, requester_uuid, parameters, browser, operating_system, device
        from raw.events inner join ops.sources using (source_id) inner join raw.user_agents using (user_agent_id)
    """,
    "deliveries": """
        select delivery_id, (extract(epoch from contact_at) * 1000000)::bigint as contact_at
        from raw.deliveries where superseded_by_load_id is null
    """,
    "messages": """
        select
            message_id, delivery_id, recipient_id, status, failure_reason, coalesce(is_seed, false) as is_seed,
            (extract(epoch from event_at) * 1000000)::bigint as event_at
        from raw.messages where superseded_by_load_id is null
    """,
    "tracked_urls": """
        select
            url_id, delivery_id, type as url_type, coalesce(nullif(label, ''), source_url) as label, category,
            source_url, content_part, coalesce(occurrence, 0) as occurrence, coalesce(offer_id, 0) as offer_id
        from raw.tracked_urls where superseded_by_load_id is null
    """,
    "consents": """
        select recipient_id, is_allowed, (extract(epoch from effective_at) * 1000000)::bigint as effective_at
        from raw.consents where superseded_by_load_id is null and purpose = 'tracking' and recipient_id <> 0
    """,
    "message_statuses": "select code, is_success from staging.message_statuses",
    "url_types": "select code, label, event_type from staging.url_types",
    "person_key": "select encode(key, 'hex') as key from ops.person_key",
}
"""Each Parquet file and the rows in it; instants in microseconds, which the file holds as instants."""

MARTS = {
    # Each choice lasts until the recipient's next one.
    "refusals": """
        select recipient_id, effective_at as refused_at, ended_at
        from (
            select
                consents.*,
                lead(effective_at, 1, 'infinity'::timestamptz) over (partition by recipient_id order by effective_at)
                    as ended_at
            from consents
        )
        where not is_allowed
    """,
    "shown_events": """
        select events.*
        from events
        left join messages on events.delivery_id = messages.delivery_id and events.message_id = messages.message_id
        anti join refusals
            on messages.recipient_id = refusals.recipient_id
            and events.occurred_at >= refused_at and events.occurred_at < ended_at
    """,
    # Opens of a message in their order: an open is kept where the last kept one is 60 seconds away (design §5).
    "kept_opens": """
        select unnest(list_reduce(
            list_transform(
                list({'occurred_at': occurred_at, 'source': source, 'prefix': prefix, 'counter': counter}
                    order by occurred_at, source, prefix, counter),
                lambda each: [each]
            ),
            lambda kept, each: case
                when each[1].occurred_at >= kept[-1].occurred_at + interval 60 seconds then list_concat(kept, each)
                else kept
            end
        ), recursive := true)
        from shown_events where url_id = 1 and message_id <> 0
        group by delivery_id, message_id
    """,
    "tracking_events": """
        with kept as (
            select shown_events.* from shown_events where not (url_id = 1 and message_id <> 0)
            union all
            select shown_events.* from shown_events semi join kept_opens using (source, prefix, counter)
        ),
        linked as (
            select
                kept.*,
                deliveries.delivery_id is not null as is_known_delivery,
                messages.message_id is not null as is_known_message,
                urls.url_id is not null or kept.url_id = 1 as is_known_url,
                coalesce(messages.recipient_id, 0) as recipient_id,
                case when kept.url_id = 1 then 2 else urls.url_type end as url_type,
                case when kept.url_id = 1 then 'Open' else coalesce(urls.label, '') end as url_label,
                case when kept.url_id = 1 then '' else coalesce(urls.category, '') end as url_category,
                coalesce(case when statuses.is_success then messages.event_at end, deliveries.contact_at) as sent_at
            from kept
            left join deliveries using (delivery_id)
            left join messages
                on kept.delivery_id = messages.delivery_id and kept.message_id = messages.message_id
            left join message_statuses as statuses on messages.status = statuses.code
            left join tracked_urls as urls on kept.delivery_id = urls.delivery_id and kept.url_id = urls.url_id
        ),
        typed as (
            select
                linked.*,
                coalesce(url_types.label, '') as url_type_label,
                case when url_id = 1 then 'open' else coalesce(url_types.event_type, 'unknown') end as event_type
            from linked left join url_types on linked.url_type = url_types.code
        ),
        with_parameters as (
            select
                typed.*,
                case when event_type = 'transaction' then parameter(parameters, 'amount') end as amount_text,
                case when event_type = 'transaction' then parameter(parameters, 'article') end as article_text
            from typed
        )
        select
            source || ':' || prefix || '0x' || printf('%016X', counter) as event_id,
            delivery_id, message_id, recipient_id, url_id,
            case
                when requester_uuid <> ''
                    then left(sha256(unhex((select key from person_key)) || encode(lower(requester_uuid))), 32)::uuid
            end as person_id,
            event_type, url_type, url_type_label, url_label, url_category, browser, operating_system, device,
            (epoch_us(occurred_at) - epoch_us(sent_at))::decimal(19, 0) * 0.000001::decimal(7, 6) as seconds_since_sent,
            case
                when regexp_full_match(amount_text, '[0-9]{1,15}(\\.[0-9]+)?')
                    then left(amount_text, 22)::decimal(21, 6)
            end as transaction_amount,
            case when regexp_full_match(article_text, '[0-9]{1,9}') then article_text::integer end as article_count,
            is_known_delivery, is_known_message, is_known_url, true as is_counted, occurred_at
        from with_parameters
    """,
    "message_engagement": """
        with reactions as (
            select
                delivery_id,
                message_id,
                min(occurred_at) filter (where event_type = 'open') as first_opened_at,
                max(occurred_at) filter (where event_type = 'open') as last_opened_at,
                count(*) filter (where event_type = 'open') as open_count,
                min(occurred_at) filter (where event_type = 'click') as first_clicked_at,
                max(occurred_at) filter (where event_type = 'click') as last_clicked_at,
                count(*) filter (where event_type = 'click') as click_count,
                count(*) filter (where event_type = 'opt_out') as opt_out_count
            from tracking_events where message_id <> 0
            group by delivery_id, message_id
        )
        select
            delivery_id,
            message_id,
            coalesce(messages.recipient_id, 0) as recipient_id,
            messages.status,
            messages.failure_reason,
            coalesce(open_count, 0) as open_count,
            coalesce(click_count, 0) as click_count,
            messages.is_seed,
            coalesce(open_count, 0) > 0 as has_opened,
            coalesce(click_count, 0) > 0 as has_clicked,
            coalesce(opt_out_count, 0) > 0 as has_opted_out,
            first_opened_at, last_opened_at, first_clicked_at, last_clicked_at
        from (from messages where message_id <> 0) as messages
        full join reactions using (delivery_id, message_id)
        semi join deliveries using (delivery_id)
    """,
    "tracking_buckets": """
        select delivery_id, url_id, time_bucket(interval 5 minutes, occurred_at) as bucket_at, count(*) as event_count
        from tracking_events group by all
    """,
    "url_clicks": """
        with clicks as (
            select delivery_id, url_id, sum(event_count)::bigint as click_count from tracking_buckets group by all
        ),
        counted as (
            select urls.*, coalesce(click_count, 0) as click_count
            from tracked_urls as urls
            semi join deliveries using (delivery_id)
            left join clicks on urls.delivery_id = clicks.delivery_id and urls.url_id = clicks.url_id
            where urls.url_id <> 1
        )
        select
            delivery_id, url_id, url_type, label, category, source_url, click_count,
            coalesce(click_count / nullif(sum(click_count) over (partition by delivery_id), 0), 0) as click_share,
            row_number() over (partition by delivery_id order by click_count desc, label, url_id) as rank,
            offer_id, content_part, occurrence
        from counted
    """,
    "url_clicks_by_day": """
        select delivery_id, url_id, bucket_at::date as click_date, sum(event_count)::bigint as click_count
        from tracking_buckets semi join url_clicks using (delivery_id, url_id)
        group by all
    """,
    "tracking_statistics": """
        with all_series as (
            select series, percent
            from (values ('opens'), ('clicks'), ('transactions')) as series (series), range(10, 91, 10) as p (percent)
        ),
        typed as (
            select
                delivery_id, bucket_at, event_count,
                case
                    when url_id = 1 then 'opens'
                    when url_type = 1 then 'clicks'
                    when url_type = 5 then 'transactions'
                end as series
            from tracking_buckets left join url_clicks using (delivery_id, url_id)
        ),
        added_up as (
            select delivery_id, series, bucket_at, sum(event_count) as event_count from typed group by all
        ),
        cumulated as (
            select
                delivery_id, series, bucket_at,
                sum(event_count) over (partition by delivery_id, series order by bucket_at) as reached_count,
                sum(event_count) over (partition by delivery_id, series) as total_count
            from added_up
        ),
        reached as (
            select delivery_id, series, percent, min(bucket_at) + interval 5 minutes as reached_at
            from cumulated inner join all_series using (series)
            where reached_count * 100 >= total_count * percent
            group by all
        )
        select
            delivery_id, series, percent,
            (epoch_us(reached_at) - epoch_us(contact_at))::decimal(19, 0) * 0.000001::decimal(7, 6)
                as seconds_to_percent
        from deliveries cross join all_series left join reached using (delivery_id, series, percent)
    """,
}
"""The statements in their order; the first three are steps to the marts."""

PARAMETER = """
    create macro decoded(text) as url_decode(replace(text, '+', ' '));
    create macro parameter(parameters, name) as decoded(regexp_extract(list_filter(
        string_split(parameters, '&'),
        lambda pair: contains(pair, '=') and decoded(split_part(pair, '=', 1)) = name
    )[1], '=(.*)', 1))
"""


class DuckMarts:
    """Builds the marts into a database file of DuckDB, as often as asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._figures: dict[str, Any] = {}

    def build(self) -> float:
        """Build the marts from the Parquet files into a new database; returns the seconds."""
        place = self.folder / "marts.duckdb"
        place.unlink(missing_ok=True)
        with duckdb.connect(place) as session:
            session.execute("set timezone = 'UTC'")
            session.execute(PARAMETER)
            for name in RAW:
                session.read_parquet(str(self.folder / f"{name}.parquet")).create_view(name)
            taken = seconds(lambda: self._create(session))
            self._figures = figures(lambda query: session.execute(query).fetchall())
        return taken

    def figures(self) -> dict[str, Any]:
        """What came out last time."""
        return self._figures

    def _create(self, session: duckdb.DuckDBPyConnection) -> None:
        for name, select in MARTS.items():
            session.execute(f"create table {name} as {select}")
        session.execute("checkpoint")


def export_raw(bench: BenchWarehouse, folder: Path) -> None:
    """Write the raw rows into Parquet files."""
    with closing(bench.warehouse.connect("export")) as session, session.cursor() as cursor:
        for name, select in RAW.items():
            exported = folder / f"{name}.csv"
            with exported.open("wb") as file:
                cursor.copy_expert(f"copy ({select}) to stdout (format csv, header)", file)
            _write_parquet(exported, folder / f"{name}.parquet")
            exported.unlink()


def _write_parquet(exported: Path, target: Path) -> None:
    """Turn a CSV file as Postgres writes it, with instants in microseconds, into Parquet."""
    options = csv.ConvertOptions(
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
        column_types=dict.fromkeys(("prefix", "parameters", "requester_uuid", "key"), pa.string()),
    )
    table = csv.read_csv(exported, convert_options=options)
    for place, column in enumerate(table.schema):
        if column.name.endswith("_at"):
            instants = table[column.name].cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))
            table = table.set_column(place, column.name, instants)
    parquet.write_table(table, target)
