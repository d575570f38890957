"""Audit of hot_clicks: the clicks of the links, and links that stand in the body."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="hot_clicks",
    expectations=[
        structure(
            "delivery_id",
            "url_id",
            "occurrence",
            "content_part",
            "click_count",
            "click_share",
            "is_drawn",
            "human_click_count",
            "human_click_share",
        ),
        grain("delivery_id", "url_id"),
        never(
            "clicks_are_in_the_link_table",
            "A row for every link of type 1, 3 or 6 or with an offer, with the clicks and the share of the link table (spec 8.18).",
            """
            select delivery_id, url_id
            from (
                select delivery_id, url_id, click_count, click_share, human_click_count, human_click_share
                from changed.url_clicks
                where url_type in (1, 3, 6) or offer_id <> 0
            ) as links
            full join {batch} as rows using (delivery_id, url_id)
            where <<or (links.{human}click_count, links.{human}click_share)
                is distinct from (rows.{human}click_count, rows.{human}click_share) >>
            """,
        ),
        never(
            "only_plain_links_are_drawn",
            "What is drawn is of type 1, without an offer and not missing in a body that is at hand (spec 4.5).",
            """
            select delivery_id, url_id
            from {batch}
            where is_drawn <> coalesce(url_type = 1 and offer_id = 0 and is_in_body is not false, false)
            """,
        ),
        never(
            "tracked_links_are_in_the_body",
            "A tracked link stands in the body of its part, as often as its occurrence says.",
            "select delivery_id, url_id, content_part, source_url, occurrence from {batch} where not is_in_body",
            severity="warning",
        ),
    ],
)
