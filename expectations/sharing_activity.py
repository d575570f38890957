"""Audit of sharing_activity: a row for each network, shares that the categories confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="sharing_activity",
    expectations=[
        structure(
            "delivery_id",
            "network",
            "share_count",
            "share_breakdown_rate",
            "sharing_rate",
            "human_share_count",
            "human_share_breakdown_rate",
            "human_sharing_rate",
        ),
        grain("delivery_id", "network"),
        never(
            "every_delivery_has_every_network",
            "Each delivery has a row for every network of the seed.",
            """
            select delivery_id, network
            from (
                select distinct deliveries.delivery_id, networks.network, true as is_wanted
                from changed.deliveries as deliveries cross join staging.sharing_networks as networks
            ) as wanted
            full join (select delivery_id, network, true as is_row from {batch}) as rows using (delivery_id, network)
            where wanted.is_wanted is null or rows.is_row is null
            """,
        ),
        never(
            "shares_are_the_clicks_of_the_categories",
            "The shares of a delivery are the clicks of the networks' categories (spec 4.10).",
            """
            select delivery_id, shares.share_count, clicks.click_count
            from (
                select delivery_id, <<, sum({human}share_count) as {human}share_count >> from {batch} group by delivery_id
            ) as shares
            full join (
                select clicks.delivery_id, <<, sum(clicks.{human}click_count) as {human}click_count >>
                from changed.url_category_clicks as clicks
                inner join staging.sharing_networks as networks on clicks.category = networks.category
                group by clicks.delivery_id
            ) as clicks using (delivery_id)
            where <<or coalesce(shares.{human}share_count, -1) <> coalesce(clicks.{human}click_count, 0) >>
            """,
        ),
        never(
            "rates_are_part_over_base",
            "The breakdown adds up to 1, or to 0 where nothing was shared; the sharing rate is shares ÷ messages to deliver.",
            """
            select rows.delivery_id, sum(rows.share_breakdown_rate) as breakdown, sum(rows.sharing_rate) as sharing_rate
            from {batch} as rows
            inner join changed.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
            group by rows.delivery_id, deliveries.to_deliver_count
            having
                <<or abs(sum(rows.{human}share_breakdown_rate) - case when sum(rows.{human}share_count) > 0 then 1 else 0 end)
                > 0.000001
                or abs(
                    sum(rows.{human}sharing_rate)
                    - coalesce(sum(rows.{human}share_count) / nullif(deliveries.to_deliver_count, 0), 0)
                ) > 0.000001 >>
            """,
        ),
    ],
)
