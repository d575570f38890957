"""What Airflow loads as a plugin; the package beside it is hidden from that loader by .airflowignore."""

from airflow.plugins_manager import AirflowPlugin


class MessageTrackingPlugin(AirflowPlugin):
    """Names the project among Airflow's plugins."""

    name = "message_tracking"
