"""The formulas of the models, on hand-made rows: dbt's own unit tests, which need the relations to exist."""

from message_tracking.building import read_manifest, run_dbt
from message_tracking.pipeline import be_quiet


def test_dbt_unit_tests_pass(pipeline, landing, golden):
    landing.copy(golden("second-case"))
    published = pipeline.run()
    results = run_dbt(
        pipeline.warehouse,
        pipeline.settings,
        ["test", "--select", "test_type:unit"],
        published.publication_id + 1,
        be_quiet,
    )
    assert {result["unique_id"]: result["message"] for result in results if result["status"] != "pass"} == {}
    # What dbt remembers of the project is good for every candidate.
    log = (pipeline.settings.home / "logs" / "dbt" / "dbt.log").read_text()
    starts = log.split("Running with dbt")[1:]
    assert ["Nothing changed, skipping partial parsing" in start for start in starts[1:]] == [True, True]
    assert len(results) == len(read_manifest(pipeline.settings)["unit_tests"]) >= 18
