from collections.abc import Callable
from typing import Any

LOAD_PLUGINS = """
import copy
import json
import sys

from airflow import plugins_manager

plugins, errors = plugins_manager._get_plugins()
import message_tracking_airflow.hooks

print("\\n" + json.dumps({
    "plugins": [plugin.name for plugin in plugins if "message_tracking" in str(plugin.source)],
    "errors": errors,
    "copy_is_the_standard_library": sys.modules["copy"] is copy,
    "executed_one_by_one": sorted(
        name for name, module in sys.modules.items()
        if "/message_tracking_airflow/" in (getattr(module, "__file__", None) or "")
        and not name.startswith("message_tracking_airflow")
    ),
}))
"""


def test_airflow_loads_one_plugin_and_leaves_the_package_alone(inspect: Callable[[str], dict[str, Any]]) -> None:
    assert inspect(LOAD_PLUGINS) == {
        "plugins": ["message_tracking"],
        "errors": {},
        "copy_is_the_standard_library": True,
        "executed_one_by_one": [],
    }
