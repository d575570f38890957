"""Audit of url_clicks: one row per tracked URL, shares that add up, clicks that the buckets confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, ranks_run_from_one, shares_add_up, structure

SUITE = ExpectationSuite(
    name="url_clicks",
    expectations=[
        structure(
            "delivery_id",
            "url_id",
            "label",
            "category",
            "source_url",
            "click_count",
            "click_share",
            "rank",
            "human_click_count",
            "human_click_share",
            "human_rank",
        ),
        grain("delivery_id", "url_id"),
        never(
            "clicks_are_in_the_buckets",
            "The clicks of a URL are the events of its buckets.",
            """
            select urls.delivery_id, urls.url_id, urls.click_count, buckets.event_count
            from {batch} as urls
            left join (
                select delivery_id, url_id, sum(event_count) as event_count, sum(human_event_count) as human_event_count
                from changed.tracking_buckets group by delivery_id, url_id
            ) as buckets on urls.delivery_id = buckets.delivery_id and urls.url_id = buckets.url_id
            where <<or urls.{human}click_count <> coalesce(buckets.{human}event_count, 0) >>
            """,
        ),
        never(
            "every_tracked_url_has_a_row",
            "Every tracked URL of a described delivery but the open pixel has a row, and nothing else has.",
            """
            select delivery_id, url_id
            from (
                select urls.delivery_id, urls.url_id
                from changed.stg_delivery_data__tracked_urls as urls
                inner join changed.deliveries as deliveries on urls.delivery_id = deliveries.delivery_id
                where urls.url_id <> 1
            ) as tracked
            full join (select delivery_id, url_id, true as is_row from {batch}) as rows using (delivery_id, url_id)
            where tracked.delivery_id is null or rows.is_row is null
            """,
        ),
        shares_add_up(),
        ranks_run_from_one(),
        never(
            "opt_out_links_are_declared",
            "A link that looks like an unsubscription is not typed as an e-mail click (spec 7.16).",
            """
            select delivery_id, url_id, source_url
            from {batch}
            where url_type = 1 and (source_url ~* '(unsub|opt-?out|desabo|desinscri|abmeld)' or label ~* '(unsubscri|opt-?out)')
            """,
            severity="warning",
        ),
        never(
            "links_of_the_body_are_tracked",
            "A web link of a body is a tracked URL of the delivery (spec 4.5).",
            """
            select links.delivery_id, links.content_part, links.source_url
            from changed.stg_delivery_data__content_links as links
            inner join changed.deliveries as deliveries on links.delivery_id = deliveries.delivery_id
            where
                links.source_url ~* '^https?://'
                and not exists (
                    select from {batch} as tracked
                    where
                        tracked.delivery_id = links.delivery_id
                        and tracked.content_part = links.content_part
                        and tracked.source_url = links.source_url
                )
            """,
            severity="warning",
        ),
    ],
)
