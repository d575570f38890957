"""Where the library message_tracking and Airflow meet: alerts, assets, default arguments, hook, tasks, the dbt task group."""
