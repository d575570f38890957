"""What a build looks up row by row can be looked up: a view into which Postgres does not look is read whole."""

import re
from contextlib import closing

import psycopg2
import pytest

from message_tracking.warehouse import fetch_all

LOOKED_UP = [
    ("staging.stg_delivery_data__deliveries", "delivery_id"),
    ("staging.stg_delivery_data__messages", "message_id"),
    ("staging.stg_delivery_data__messages", "delivery_id"),
    ("staging.stg_delivery_data__tracked_urls", "delivery_id"),
    ("staging.stg_delivery_data__recipients", "recipient_id"),
    ("staging.stg_delivery_data__exclusions", "delivery_id"),
    ("staging.stg_delivery_data__consents", "recipient_id"),
    ("staging.stg_delivery_data__contents", "delivery_id"),
    ("audit.tracking_events", "message_id"),
    ("marts.tracking_events", "delivery_id"),
    ("audit.message_engagement", "message_id"),
    ("audit.tracking_buckets", "delivery_id"),
    ("audit.url_clicks", "delivery_id"),
]


@pytest.fixture(scope="module")
def session(archive):
    with closing(psycopg2.connect(archive.settings.warehouse_url)) as session, session.cursor() as cursor:
        cursor.execute(
            "set role tracking_pipeline; create temporary table asked as select 1::bigint as id; analyze asked"
        )
        # Of so few rows the planner would read any table whole.
        for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
            cursor.execute(f"set enable_{way} = off")
        yield session


def plan(session, relation, column):
    query = f"explain select count(*) from {relation} where {column} in (select id from asked)"
    return "\n".join(line for (line,) in fetch_all(session, query))


@pytest.mark.parametrize(("relation", "column"), LOOKED_UP)
def test_it_is_looked_up_by_index(session, relation, column):
    assert re.search(rf"Index Cond: .*\b{column} = asked\.id", plan(session, relation, column))


def test_a_view_with_a_cte_would_not_be(session):
    with session.cursor() as cursor:
        cursor.execute(
            "create or replace temporary view fenced as "
            "with messages as (select * from staging.stg_delivery_data__messages) select * from messages"
        )
    assert "Index Cond: (message_id = asked.id)" not in plan(session, "fenced", "message_id")
