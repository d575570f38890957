"""Audit of recipients: one row per recipient of the reference data."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="recipients",
    expectations=[
        structure("recipient_id", "first_name", "last_name", "email", "email_format"),
        grain("recipient_id"),
        never(
            "recipients_are_the_reference_data_s",
            "There is a row for every recipient of the reference data and for nothing else.",
            """
            select recipient_id
            from (select recipient_id from changed.stg_delivery_data__recipients) as pulled
            full join (select recipient_id, true as is_row from {batch}) as rows using (recipient_id)
            where pulled.recipient_id is null or rows.is_row is null
            """,
        ),
    ],
)
