"""The functions that the migrations define, as the models and the loader call them."""

from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from message_tracking.warehouse import fetch_all

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def value(connection, query, *parameters):
    ((found,),) = fetch_all(connection, query, parameters)
    return found


@pytest.mark.parametrize(
    ("ids", "missing"),
    [
        ("{}", 0),
        ("{[5,8)}", 0),
        ("{[1,3),[4,9)}", 1),
        ("{[1,2),[3,4),[10,11)}", 1 + 6),
        ("{[1,2),[1000002,1000003)}", 1_000_000),
        ("{[1,2),[1000003,1000004)}", 0),
        ("{[1,2),[3,4),[5000000,5000001),[5000003,5000004)}", 1 + 2),
        ("{[1,2),[9223372036854775806,)}", 0),
        ("{[9223372036854775800,9223372036854775801),[9223372036854775807,)}", 6),
    ],
)
def test_missing_ids_are_those_between_ranges_but_for_new_numberings(connection, ids, missing):
    assert value(connection, "select ops.missing_id_count(%s)", ids) == missing


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a+b%20c", "a b c"),
        ("12%2E50", "12.50"),
        ("%31%32", "12"),
        ("%2b%2B", "++"),
        ("100%", "100%"),
        ("%", "%"),
        ("%%", "%%"),
        ("%4", "%4"),
        ("%zz1", "%zz1"),
        ("%%41", "%A"),
        ("%00", "%00"),
        ("a%00b", "a%00b"),
        ("%2541", "%41"),
        ("%E9", "é"),
        ("é%3D", "é="),
        ("a%0Ab\nc", "a\nb\nc"),
    ],
)
def test_url_decode(connection, encoded, decoded):
    assert value(connection, "select ops.url_decode(%s)", encoded) == decoded


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ("amount=12.50", "12.50"),
        ("article=3&amount=12.50", "12.50"),
        ("amount=1&amount=2", "1"),
        ("Amount=1&amount=2", "2"),
        ("total_amount=1", None),
        ("amounts=1", None),
        ("amount", None),
        ("amount&amount=2", "2"),
        ("amount=", ""),
        ("amount=a=b", "a=b"),
        ("%61mount=1%2E5", "1.5"),
        ("&&amount=7&", "7"),
        ("amount=1+2", "1 2"),
        ("", None),
    ],
)
def test_url_parameter_is_the_first_of_exactly_that_name(connection, parameters, found):
    assert value(connection, "select ops.url_parameter(%s, 'amount')", parameters) == found


def kept(connection, seconds):
    """Which of the opens of one message, in seconds after the first, are not duplicates."""
    query = """
        select second
        from (
            select
                second, occurred_at,
                ops.last_kept_open(occurred_at, '60 seconds') over (order by place rows unbounded preceding) as last_kept
            from (
                select second, place, %s::timestamptz + second * interval '1 second' as occurred_at
                from unnest(%s::numeric[]) with ordinality as opens(second, place)
            ) as opens
        ) as judged
        where occurred_at = last_kept
        order by second
    """
    return [float(second) for (second,) in fetch_all(connection, query, (START, seconds))]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0, 59.9], [0]),
        ([0, 59.999999], [0]),
        ([0, 60.0], [0, 60]),
        ([0, 60.1], [0, 60.1]),
        ([0, 30, 60, 90, 120], [0, 60, 120]),
        ([0, 59, 118, 177], [0, 118]),
        ([0, 59.9, 119.8, 179.7, 239.6], [0, 119.8, 239.6]),
        ([0, 3600], [0, 3600]),
    ],
)
def test_an_open_within_a_minute_of_the_last_kept_one_is_a_duplicate(connection, seconds, expected):
    assert kept(connection, seconds) == expected


@pytest.fixture
def publications(connection, warehouse):
    """Live 3, kept 2, no longer kept 1, rolled back 4, candidate 5; `marts.shown` tells which one a reader sees."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            insert into ops.publications
                (status, base_publication_id, from_position, to_position, is_full, holder, lease_until, is_kept)
            select status, 0, 0, 0, false, 'test', clock_timestamp() + interval '1 hour', is_kept
            from (values
                (1, 'published', false), (2, 'published', true), (3, 'published', true),
                (4, 'rolled_back', true), (5, 'open', false)
            ) as rows(place, status, is_kept)
            order by place;
            update ops.publication_state set live_publication = 3, candidate_publication = 5;
            create view marts.shown as select ops.visible_publication() as publication_id;
            """
        )


def seen_by(session, pinned=None):
    with session, session.cursor() as cursor:
        if pinned is not None:
            cursor.execute("select set_config('message_tracking.publication', %s, false)", (pinned,))
        cursor.execute("select publication_id from marts.shown")
        return cursor.fetchone()[0]


@pytest.mark.parametrize(("pinned", "seen"), [(None, 3), ("", 3), ("2", 2), ("3", 3), ("002", 2)])
def test_a_reader_sees_the_live_publication_or_the_kept_one_it_pins(publications, connect_as, pinned, seen):
    assert seen_by(connect_as("bi_reader"), pinned) == seen


@pytest.mark.parametrize("pinned", ["1", "4", "5", "6", "0", "999999999"])
def test_what_is_not_kept_cannot_be_pinned(publications, connect_as, pinned):
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match=f"publication {pinned} cannot be read"):
        seen_by(connect_as("bi_reader"), pinned)


@pytest.mark.parametrize("pinned", ["latest", "-1", "1.0", "2 ", "9999999999", "2; drop table"])
def test_what_is_no_number_cannot_be_pinned(publications, connect_as, pinned):
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="no publication number"):
        seen_by(connect_as("bi_reader"), pinned)


def test_a_reset_pin_shows_the_live_publication_again(publications, connect_as):
    session = connect_as("bi_reader")
    assert seen_by(session, "2") == 2
    with session, session.cursor() as cursor:
        cursor.execute("reset message_tracking.publication")
    assert seen_by(session) == 3


def test_the_candidate_can_be_pinned_by_those_who_read_audit(publications, connect_as):
    analyst = connect_as("tracking_analyst")
    assert seen_by(analyst) == 3
    assert seen_by(analyst, "5") == 5


def test_audit_shows_the_candidate_and_else_the_live_publication(publications, connection):
    assert value(connection, "select ops.audit_publication()") == 5
    with connection, connection.cursor() as cursor:
        cursor.execute("update ops.publication_state set candidate_publication = null")
    assert value(connection, "select ops.audit_publication()") == 3


@pytest.mark.parametrize("candidate", [3, 6, None])
def test_only_the_open_candidate_can_be_written_for(publications, connection, candidate):
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState):
        value(connection, "select ops.hold_candidate(%s)::text", candidate)


def test_a_write_renews_a_lease_that_is_half_over(publications, connection):
    left = "select lease_until - clock_timestamp() from ops.publications where publication_id = 5"
    value(connection, "select ops.hold_candidate(5)::text")
    assert value(connection, left) > timedelta(minutes=59)
    with connection, connection.cursor() as cursor:
        cursor.execute("update ops.publications set lease_until = clock_timestamp() + interval '7 minutes'")
    value(connection, "select ops.hold_candidate(5)::text")
    assert timedelta(minutes=14) < value(connection, left) <= timedelta(minutes=15)


@pytest.fixture
def versions(connection):
    """Row versions of publications 1 to 3: `a` from the first, `b` replaced by the second, `c` ended by the third."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            create table mart_store.versions (key text, n integer, valid_from integer, valid_to integer);
            insert into mart_store.versions values
                ('a', 1, 1, 2147483647), ('b', 1, 1, 2), ('b', 2, 2, 2147483647), ('c', 1, 1, 3), ('d', 3, 3, 2147483647);
            """
        )
    return lambda: fetch_all(connection, "select * from mart_store.versions order by key, n")


def test_undoing_opens_what_was_closed_and_deletes_what_was_new(connection, versions):
    assert value(connection, "select ops.undo_newer_than(2)") == 2
    now = 2147483647
    assert versions() == [("a", 1, 1, now), ("b", 1, 1, 2), ("b", 2, 2, now), ("c", 1, 1, now)]
    assert value(connection, "select ops.undo_newer_than(2)") == 0
    assert value(connection, "select ops.undo_newer_than(0)") == 4
    assert versions() == []


def test_forgetting_deletes_what_no_kept_publication_shows(connection, versions):
    assert value(connection, "select ops.forget_older_than(2)") == 1
    assert [row[:2] for row in versions()] == [("a", 1), ("b", 2), ("c", 1), ("d", 3)]


def test_a_view_is_replaced_only_where_it_differs(connection):
    replace = "select ops.replace_view('marts', 'shown', %s)"
    assert value(connection, replace, "select 1 as n")
    assert not value(connection, replace, "select  1 as n")
    assert value(connection, replace, "select 1 as n, 2 as m")
    assert fetch_all(connection, "select n, m from marts.shown") == [(1, 2)]
    with pytest.raises(psycopg2.errors.InvalidTableDefinition):
        value(connection, replace, "select 2 as m")


def test_the_planner_expects_most_rows_of_a_publication(connection):
    """And sees only a ninth of them where the plain operators stand."""
    with connection.cursor() as cursor:
        cursor.execute(
            "create temporary table versions as select n % 10 as valid_from, 5 + n % 7 as valid_to "
            "from generate_series(1, 10000) as n"
        )
        cursor.execute("analyze versions")
        found = []
        for at_most, above in (("<=", ">"), ("operator(ops.<=~)", "operator(ops.>~)")):
            query = (
                f"select valid_from, valid_to from versions where valid_from {at_most} (select ops.audit_publication() + 4) "
                f"and valid_to {above} (select ops.audit_publication() + 4)"
            )
            cursor.execute(f"explain (format json) {query}")
            (([plan],),) = cursor.fetchall()
            cursor.execute(query)
            found.append((plan["Plan"]["Plan Rows"], sorted(cursor.fetchall())))
    (plain_estimate, plain_rows), (estimate, rows) = found
    assert rows == plain_rows
    assert 0 < len(rows) < 10_000
    assert plain_estimate < 1_200
    assert estimate > 9_800
