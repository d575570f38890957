"""Where the library message_tracking and Airflow meet: assets, default arguments, hook, tasks, the dbt task group."""
