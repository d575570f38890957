"""Where the library message_tracking and Airflow meet: alerts, assets, defaults, hook, tasks, the dbt task group."""
