import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from message_tracking.dbt_manifest import fresh_manifest
from message_tracking.errors import MessageTrackingError
from message_tracking.settings import PROJECT, Settings


@pytest.fixture
def copied(tmp_path: Path) -> Settings:
    """Settings of a home and a project of the test's own."""
    shutil.copytree(PROJECT / "dbt_project", tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    return replace(Settings.from_environment(), home=tmp_path / "home", project=tmp_path)


def test_the_manifest_is_written_anew_only_when_the_project_has_changed(copied: Settings) -> None:
    manifest = fresh_manifest(copied)
    written = manifest.stat().st_mtime_ns
    assert fresh_manifest(copied).stat().st_mtime_ns == written
    seed = copied.dbt_project / "seeds" / "channels.csv"
    later = time.time_ns() + 1
    os.utime(seed, ns=(later, later))
    assert fresh_manifest(copied).stat().st_mtime_ns > written


def test_a_project_that_dbt_cannot_read_says_where(copied: Settings) -> None:
    (copied.dbt_project / "models" / "broken.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(MessageTrackingError, match="nowhere"):
        fresh_manifest(copied)
