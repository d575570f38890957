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
            "human_is_counted",
            "actor_class",
            "actor_reason",
            "actor_rules_version",
            "is_automatic",
        ),
        grain("event_id"),
        never(
            "every_event_has_an_id_of_its_own",
            "As many ids were entered as lines were accepted, so none was loaded twice, whatever delivery it names (design 6).",
            """
            select counted.*
            from (
                select
                    (
                        select coalesce(sum(coalesce(upper(ids)::numeric, 9223372036854775808) - lower(ids)), 0)
                        from ops.id_ranges, unnest(loaded_ids) as ids
                    ) + (select count(*) from ops.hashed_ids) as id_count,
                    (
                        select coalesce(sum(accepted_count), 0) from ops.file_ledger
                        where kind = 'tracking_log' and status = 'loaded'
                    ) as loaded_count
            ) as counted
            where id_count <> loaded_count
            """,
            whole=True,
        ),
        never(
            "loaded_is_kept_plus_duplicate_opens",
            "Every event that was loaded is counted with its delivery, where it is kept or left out as a duplicate open (spec 8.24).",
            """
            select counted.*
            from (
                select
                    (select coalesce(sum(event_count), 0) from intermediate.int_deliveries__counts) as event_count,
                    (
                        select coalesce(sum(event_count), 0) from ops.file_ledger
                        where kind = 'tracking_log' and position <= (select to_position from ops.build_window)
                    ) as loaded_count
            ) as counted
            where event_count <> loaded_count
            """,
            whole=True,
        ),
        never(
            "events_are_judged_once",
            "Each new event is judged once, and what was judged before is neither lost nor doubled.",
            """
            select delivery_id, message_id, url_id, source_id, prefix::text, counter, judged.row_count, events.event_count
            from (
                select delivery_id, message_id, url_id, source_id, prefix, counter, sum(change) as row_count
                from changes.int_tracking_events__judged
                group by delivery_id, message_id, url_id, source_id, prefix, counter
            ) as judged
            full join (
                select delivery_id, message_id, url_id, source_id, prefix, counter, 1 as event_count from new.events
            ) as events using (delivery_id, message_id, url_id, source_id, prefix, counter)
            where coalesce(judged.row_count, 0) <> coalesce(events.event_count, 0)
            """,
        ),
        never(
            "delivery_is_complete",
            "Each delivery has got as many events as came in, less its duplicate opens and those while consent was withdrawn.",
            """
            select
                delivery_id, counts.event_count, counts.duplicate_open_count, counts.withdrawn_count, events.event_count as new_event_count,
                judged.kept_count as newly_kept_count
            from changed.int_deliveries__counts as counts
            left join live.int_deliveries__counts as before using (delivery_id)
            left join (select delivery_id, count(*) as event_count from new.events group by delivery_id) as events using (delivery_id)
            left join (
                select delivery_id, sum(change) filter (where is_counted) as kept_count
                from changes.int_tracking_events__judged group by delivery_id
            ) as judged using (delivery_id)
            where
                counts.event_count - coalesce(before.event_count, 0) <> coalesce(events.event_count, 0)
                or counts.event_count - counts.duplicate_open_count - counts.withdrawn_count
                - coalesce(before.event_count - before.duplicate_open_count - before.withdrawn_count, 0) <> coalesce(judged.kept_count, 0)
            """,
        ),
        # The events first: by recipient the server would look through all that each has ever done.
        never(
            "nobody_who_refuses_is_shown",
            "No event is shown that happened while its recipient refused to be tracked (design 5, spec 7.12).",
            """
            with events as materialized (
                select event_id, delivery_id, message_id, recipient_id, occurred_at from {batch}
            )
            select event_id, delivery_id, message_id, events.recipient_id, refusals.refused_at
            from events
            inner join intermediate.int_recipients__refusals as refusals
                on
                    events.recipient_id = refusals.recipient_id
                    and events.occurred_at >= refusals.refused_at
                    and events.occurred_at < refusals.ended_at
            """,
        ),
        never(
            "people_s_figures_are_of_people",
            "No automatic event is in people's figures, and of a message they never count more opens than everybody's (design 5).",
            """
            select event_id, delivery_id, message_id from {batch} where is_automatic and human_is_counted
            union all
            select min(event_id), delivery_id, message_id
            from {batch}
            where event_type = 'open'
            group by delivery_id, message_id
            having count(*) filter (where human_is_counted) > count(*) filter (where is_counted)
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
                from new.events as events
                left join staging.stg_delivery_data__messages as messages
                    on events.message_id = messages.message_id and events.message_id <> 0
                left join staging.stg_delivery_data__tracked_urls as urls on events.url_id = urls.url_id
                where events.url_id <> 1
            ),
            share as (
                select count(*) filter (where is_foreign) > 0.01 * count(*) as is_too_high from new_events
            )
            select distinct event_id, delivery_id, message_id, url_id
            from {batch} as kept
            inner join new_events using (delivery_id, message_id, url_id, occurred_at)
            where is_foreign and (select is_too_high from share)
            """,
            whole=True,
        ),
        never(
            "events_are_linked",
            "At most 5 % of the events of a described delivery have an unknown message or URL.",
            """
            select delivery_id, kept_count as event_count, unlinked_count
            from changed.deliveries
            inner join (
                select delivery_id, unlinked_count, event_count - duplicate_open_count - withdrawn_count as kept_count
                from changed.int_deliveries__counts
            ) as counts using (delivery_id)
            where unlinked_count > 0.05 * kept_count
            """,
            severity="warning",
        ),
        never(
            "deliveries_are_described",
            "Every delivery that events name is described by the reference data.",
            """
            select delivery_id, event_count
            from changed.int_deliveries__counts
            where event_count > 0 and delivery_id not in (select delivery_id from audit.deliveries)
            """,
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
                select coalesce(sum(event_count), 0) as new_count from staging.stg_operations__new_loads where kind = 'tracking_log'
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
