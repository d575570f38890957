"""Erasing persons everywhere that the warehouse reaches (spec §7.11), while figures stay as they are.

What a person did stays as an event of nobody: recipient, requester and address are replaced by numbers that lead
nowhere, the same in raw events and in every kept version of the marts, so all counts are as before and a recount from
raw comes to the same. What only says who it was (names, address, rejected lines, files) is deleted or blotted out.

- `persons`: whom an erasure is about, and by what traces they are known;
- `database`: raw, `ops`, the state and the marts;
- `blotting`: traces in text, in place;
- `files`: the landing folder and the logs that the product keeps;
- `erasure`: all of it in order, with a receipt.
"""
