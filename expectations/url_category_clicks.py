"""Audit of url_category_clicks: one row per category, figures that the links confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, ranks_run_from_one, shares_add_up, structure

SUITE = ExpectationSuite(
    name="url_category_clicks",
    expectations=[
        structure(
            "delivery_id",
            "category",
            "click_count",
            "click_share",
            "rank",
            "human_click_count",
            "human_click_share",
            "human_rank",
        ),
        grain("delivery_id", "category"),
        never(
            "adds_up_the_links",
            "The clicks of a category are those of its links, and every category of a link has a row (spec 4.3).",
            """
            select delivery_id, category, categories.click_count, links.click_count as link_click_count
            from {batch} as categories
            full join (
                select delivery_id, category, sum(click_count) as click_count, sum(human_click_count) as human_click_count
                from changed.url_clicks group by delivery_id, category
            ) as links using (delivery_id, category)
            where <<or categories.{human}click_count is distinct from links.{human}click_count >>
            """,
        ),
        shares_add_up(),
        ranks_run_from_one(),
    ],
)
