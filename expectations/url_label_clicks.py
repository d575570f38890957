"""Audit of url_label_clicks: one row per label, figures that the links confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, ranks_run_from_one, shares_add_up, structure

SUITE = ExpectationSuite(
    name="url_label_clicks",
    expectations=[
        structure(
            "delivery_id",
            "label",
            "click_count",
            "click_share",
            "rank",
            "human_click_count",
            "human_click_share",
            "human_rank",
        ),
        grain("delivery_id", "label"),
        never(
            "adds_up_the_links",
            "The clicks of a label are those of its links, and every label of a link has a row (spec 3.3).",
            """
            select delivery_id, label, labels.click_count, links.click_count as link_click_count
            from {batch} as labels
            full join (
                select delivery_id, label, sum(click_count) as click_count, sum(human_click_count) as human_click_count
                from changed.url_clicks group by delivery_id, label
            ) as links using (delivery_id, label)
            where <<or labels.{human}click_count is distinct from links.{human}click_count >>
            """,
        ),
        shares_add_up(),
        ranks_run_from_one(),
    ],
)
