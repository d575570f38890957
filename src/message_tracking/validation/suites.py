"""Suites are discovered by path, like DAGs and models: every file of expectations/ exposes SUITE."""

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

from great_expectations import ExpectationSuite

from message_tracking.errors import ConfigurationError
from message_tracking.settings import Settings


def check_name(expectation: Any) -> str:
    """Name an expectation, or its configuration in a result, as reports and ops do."""
    return str(expectation.meta["check"])


def load_suites(settings: Settings) -> dict[str, ExpectationSuite]:
    """Load every suite, by the name of the relation it audits.

    Raises ConfigurationError for a file without a SUITE of its own name, or one that names two of its checks alike.
    """
    return {path.stem: _load(path) for path in sorted(settings.expectations.glob("[!_]*.py"))}


def _load(path: Path) -> ExpectationSuite:
    spec = importlib.util.spec_from_file_location(f"message_tracking_suite_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  (true for any .py path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = getattr(module, "SUITE", None)
    if not isinstance(suite, ExpectationSuite) or suite.name != path.stem:
        raise ConfigurationError(
            f"{path} has no suite.", f"Define SUITE = ExpectationSuite(name={path.stem!r}, …) in it."
        )
    named = Counter(check_name(expectation) for expectation in suite.expectations)
    if doubled := [check for check, count in named.items() if count > 1]:
        raise ConfigurationError(
            f"{path} has more than one check named {', '.join(doubled)}.",
            "Results are found by name: rename all but one.",
        )
    return suite
