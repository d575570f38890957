"""Audit of tracking_events: every accepted event is kept or left out by name, and links join within their delivery."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="tracking_events",
    expectations=[
        structure(
            "event_id",
            "occurred_at",
            "delivery_id",
            "message_id",
            "recipient_id",
            "url_id",
            "url_type",
            "url_label",
            "url_category",
            "event_type",
            "person_id",
            "browser",
            "operating_system",
            "device",
            "seconds_since_sent",
            "is_counted",
        ),
        grain("event_id"),
        never(
            "every_event_has_an_id_of_its_own",
            "As many log ids were entered as events were loaded, so none was loaded twice, whatever delivery it names (design 6).",
            """
            select counted.*
            from (
                select
                    (
                        select coalesce(sum(coalesce(upper(ids)::numeric, 9223372036854775808) - lower(ids)), 0)
                        from ops.id_ranges, unnest(loaded_ids) as ids
                    ) as id_count,
                    (
                        select coalesce(sum(accepted_count), 0) from ops.file_ledger
                        where kind = 'tracking_log' and status = 'loaded'
                    ) as loaded_count
            ) as counted
            left join (select true as is_any from {batch} limit 1) as kept on true
            where id_count <> loaded_count
            """,
            touched=None,
        ),
        never(
            "loaded_is_kept_plus_duplicate_opens",
            "Every event that was loaded is counted with its delivery, where it is kept or left out as a duplicate open (spec 8.24).",
            """
            select counted.*
            from (
                select
                    (select coalesce(sum(event_count), 0) from intermediate.int_deliveries__event_counts) as event_count,
                    (
                        select coalesce(sum(accepted_count), 0) from ops.file_ledger
                        where kind = 'tracking_log' and position <= (select to_position from ops.build_window)
                    ) as loaded_count
            ) as counted
            left join (select true as is_any from {batch} limit 1) as kept on true
            where event_count <> loaded_count
            """,
            touched=None,
        ),
        never(
            "delivery_is_complete",
            "Each delivery has as many events as came in, less its duplicate opens.",
            """
            select counts.delivery_id, counts.event_count, counts.duplicate_open_count, coalesce(kept.kept_count, 0) as kept_count
            from changed.int_deliveries__event_counts as counts
            left join (
                select delivery_id, count(*) as kept_count from {batch} group by delivery_id
            ) as kept on counts.delivery_id = kept.delivery_id
            where counts.event_count <> counts.duplicate_open_count + coalesce(kept.kept_count, 0)
            """,
        ),
        never(
            "links_belong_to_the_delivery",
            "At most 1 % of the new events but opens name a message or a URL of another delivery (spec 8.31).",
            """
            with new_events as (
                select
                    events.delivery_id, events.message_id, events.url_id, events.occurred_at,
                    messages.delivery_id <> events.delivery_id or urls.delivery_id <> events.delivery_id as is_foreign
                from staging.stg_tracking__events as events
                left join staging.stg_delivery_data__messages as messages
                    on events.message_id = messages.message_id and events.message_id <> 0
                left join staging.stg_delivery_data__tracked_urls as urls on events.url_id = urls.url_id
                where
                    events.url_id <> 1
                    and events.load_id = any (array(select load_id from staging.stg_operations__new_loads))
            ),
            share as (
                select count(*) filter (where is_foreign) > 0.01 * count(*) as is_too_high from new_events
            )
            select distinct event_id, delivery_id, message_id, url_id
            from {batch} as kept
            inner join new_events using (delivery_id, message_id, url_id, occurred_at)
            where is_foreign and (select is_too_high from share)
            """,
        ),
        never(
            "events_are_linked",
            "At most 5 % of the events of a described delivery have an unknown message or URL.",
            """
            select delivery_id, count(*) as event_count, count(*) filter (where not (is_known_message and is_known_url)) as unlinked_count
            from {batch}
            where is_known_delivery
            group by delivery_id
            having count(*) filter (where not (is_known_message and is_known_url)) > 0.05 * count(*)
            """,
            severity="warning",
        ),
        never(
            "deliveries_are_described",
            "Every delivery that events name is described by the reference data.",
            "select delivery_id, count(*) as event_count from {batch} where not is_known_delivery group by delivery_id",
            severity="warning",
        ),
        never(
            "volume_is_usual",
            "The number of new events is within ten times the average of the kept publications, up or down.",
            """
            with history as (
                select avg(event_count) as usual from ops.publications where is_kept and event_count > 0 and not is_full
            ),
            candidate as (
                select coalesce(sum(accepted_count), 0) as new_count from staging.stg_operations__new_loads where kind = 'tracking_log'
            )
            select new_count, usual from candidate, history
            where
                new_count > 0
                and not (select is_full from ops.build_window)
                and (new_count > 10 * usual or new_count * 10 < usual)
                and exists (select from {batch})
            """,
            severity="warning",
        ),
    ],
)
