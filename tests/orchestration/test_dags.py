from pathlib import Path
from typing import Any

from message_tracking.settings import PROJECT

Dags = dict[str, Any]

EXPECTED = {
    "erase_recipients",
    "ingest_delivery_data",
    "ingest_tracking_logs",
    "maintain_warehouse",
    "publish_tracking_marts",
}


def test_every_dag_is_read_without_an_error(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) >= EXPECTED
    assert len(parsed["dags"]) == len(list((PROJECT / "dags").glob("*.py")))


def test_a_dag_is_named_like_its_file(dags: Dags) -> None:
    assert {dag_id: Path(dag["file"]).stem for dag_id, dag in dags.items()} == {dag_id: dag_id for dag_id in dags}


def test_a_dag_tells_the_on_call_what_to_do(dags: Dags) -> None:
    for dag_id, dag in dags.items():
        assert "**If it is late:**" in dag["doc"], dag_id
        assert "**Triage**" in dag["doc"], dag_id


def test_a_dag_is_tagged_and_never_runs_beside_itself(dags: Dags) -> None:
    for dag_id, dag in dags.items():
        assert "message-tracking" in dag["tags"], dag_id
        assert set(dag["tags"]) & {"ingest", "maintain", "publish"}, dag_id
        assert not dag["catchup"], dag_id
        assert dag["max_active_runs"] == 1, dag_id


def test_every_task_has_an_owner_and_is_tried_again_soon(dags: Dags) -> None:
    for dag_id, dag in dags.items():
        for task_id, task in dag["tasks"].items():
            assert task["owner"] == "message-tracking", (dag_id, task_id)
            assert task["retries"] >= 2, (dag_id, task_id)
            assert 0 < task["retry_delay"] <= 60, (dag_id, task_id)


def test_assets_link_the_ingests_to_the_publication(parsed: dict[str, Any]) -> None:
    emitted = {
        asset: dag_id
        for dag_id, dag in parsed["dags"].items()
        for task in dag["tasks"].values()
        for asset in task["outlets"]
    }
    assert emitted == {
        "raw_events": "ingest_tracking_logs",
        "delivery_data": "ingest_delivery_data",
        "published_marts": "publish_tracking_marts",
    }
    assert parsed["consumed"] == {
        "erase_recipients": [],
        "ingest_tracking_logs": [],
        "ingest_delivery_data": [],
        "maintain_warehouse": [],
        "publish_tracking_marts": ["delivery_data", "raw_events"],
    }


def test_an_ingest_loads_each_source_in_a_task_of_its_own(dags: Dags) -> None:
    for dag_id, listing, load, others in (
        ("ingest_tracking_logs", "list_servers", "load_tracking_logs", {"check_health"}),
        ("ingest_delivery_data", "list_sources", "load_delivery_data", set()),
    ):
        tasks = dags[dag_id]["tasks"]
        assert set(tasks) == {listing, load, "report_refused_files"} | others
        assert tasks[load]["is_mapped"]
        assert tasks[load]["upstream"] == [listing]
        assert tasks["report_refused_files"]["upstream"] == [load]
        # A load that found nothing new is skipped; one that failed must keep the run red.
        assert tasks["report_refused_files"]["trigger_rule"] == "none_failed"
        # A tracking server that is not well keeps no load from running.
        assert not any(tasks[other]["upstream"] for other in others)


def test_the_marts_are_built_then_audited_then_published(dags: Dags, models: list[str]) -> None:
    tasks = dags["publish_tracking_marts"]["tasks"]
    built = {task_id for task_id in tasks if task_id.startswith("build_marts.")}
    assert {f"build_marts.{model}_run" for model in models} <= built
    assert upstream_of(tasks, "audit_marts") == built | {"open_candidate"}
    assert "audit_marts" in tasks["publish_marts"]["upstream"]
    # Only all_success is a circuit breaker.
    assert tasks["audit_marts"]["trigger_rule"] == tasks["publish_marts"]["trigger_rule"] == "all_success"


def test_a_candidate_is_given_back_whatever_happens(dags: Dags) -> None:
    release = dags["publish_tracking_marts"]["tasks"]["release_candidate"]
    assert release["is_teardown"]
    assert set(release["upstream"]) == {"open_candidate", "publish_marts"}


def test_no_task_needs_a_triggerer(dags: Dags) -> None:
    assert not [task_id for dag in dags.values() for task_id, task in dag["tasks"].items() if task["deferrable"]]


def test_parsing_imports_nothing_heavy(parsed: dict[str, Any]) -> None:
    assert parsed["heavy"] == []


def upstream_of(tasks: dict[str, Any], task_id: str) -> set[str]:
    """All tasks that run before one."""
    direct = set(tasks[task_id]["upstream"])
    return direct.union(*(upstream_of(tasks, one) for one in direct))
