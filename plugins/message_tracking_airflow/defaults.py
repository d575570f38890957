"""What all DAGs of this project have in common."""

from datetime import timedelta
from typing import Any

from message_tracking_airflow.alerts import tell_of_failure

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "message-tracking",
    "retries": 2,
    # Airflow's default of five minutes is longer than a whole run takes.
    "retry_delay": timedelta(seconds=15),
    "on_failure_callback": tell_of_failure,
}

TAGS = ["message-tracking"]
