"""The report pages: an application that shows what `marts` has published, on its own and within Airflow."""
