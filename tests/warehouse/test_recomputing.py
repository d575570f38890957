"""Computing everything anew: it must equal what runs have added up, and mends what does not."""

import re

import pytest

from message_tracking.pipeline import recompute_everything
from message_tracking.warehouse import fetch_all


@pytest.fixture
def recompute(pipeline):
    """Recompute; also return what was reported."""

    def run(*, dry_run: bool = False):
        lines: list[str] = []
        differences = recompute_everything(pipeline.warehouse, pipeline.settings, dry_run=dry_run, report=lines.append)
        return differences, lines

    return run


def test_it_equals_what_was_published_and_mends_what_differs(pipeline, landing, golden, recompute, shown, connection):
    assert recompute()[1] == ["Nothing was loaded yet: nothing to compute."]
    landing.copy(golden("second-case"))
    pipeline.run()
    published = shown()
    assert len(published) >= 11
    differences, lines = recompute()
    assert differences == {}
    assert "Every figure equals the published one, row for row." in lines
    assert shown() == published

    # What no run would ever do.
    with connection, connection.cursor() as cursor:
        cursor.execute("update mart_store.url_clicks set click_count = click_count + 1 where rank = 1")
        changed = cursor.rowcount
        cursor.execute(
            "insert into mart_store.recipients (valid_from, valid_to, recipient_id, first_name, last_name, email) values (1, 2147483647, -1, '', '', '')"
        )
    damaged = shown()
    assert damaged != published
    differences, lines = recompute(dry_run=True)
    assert differences == {"recipients": (0, 1), "url_clicks": (changed, changed)}
    assert f"  url_clicks differs: {changed} rows came, {changed} went." in lines
    assert shown() == damaged
    assert fetch_all(connection, "select candidate_publication from ops.publication_state") == [(None,)]
    assert recompute()[0] == differences
    assert shown() == published


def test_a_dry_run_computes_what_is_published_and_nothing_newer(pipeline, landing, golden, recompute, shown):
    assert recompute(dry_run=True)[1] == ["Nothing was published yet: nothing to compute."]
    landing.copy(golden("second-case"))
    later = landing.folder / "logs" / "edge-b"
    later.rename(landing.folder / "later")
    pipeline.run()
    published = shown()

    (landing.folder / "later").rename(later)
    messages = landing.folder / "exports" / "messages.csv"
    moved = re.sub(
        r"\.example,(.*)2025-(\S+)$", r".test,\g<1>2026-\2", messages.read_text(encoding="utf-8"), flags=re.M
    )
    messages.write_text(moved, encoding="utf-8")
    assert sum(summary.accepted for summary in pipeline.load()) > 10
    assert recompute(dry_run=True)[0] == {}
    assert shown() == published
    assert recompute()[0]
    assert shown() != published
