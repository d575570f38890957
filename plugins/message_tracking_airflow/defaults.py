"""What all DAGs of this project have in common."""

from datetime import timedelta
from typing import Any

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "message-tracking",
    "retries": 2,
    # Airflow's default of five minutes is longer than a whole run takes.
    "retry_delay": timedelta(seconds=15),
}

TAGS = ["message-tracking"]
