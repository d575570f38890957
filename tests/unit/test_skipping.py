"""A skipped test is a failed one in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("ci", "exit_code"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_in_ci_only(tmp_path, ci, exit_code, workers):
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "test_poisoned.py").write_text("import pytest\n\ndef test_skips():\n    pytest.skip('poisoned')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", workers, "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 skipped" in done.stdout
    assert done.returncode == exit_code
