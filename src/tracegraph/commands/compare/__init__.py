"""`tracegraph compare`: experiments side by side in a terminal.

command.py     the whole of it, with its exit codes
question.py    what is asked, as one GraphQL query
asking.py      the query put to the configured sources in this process, or to a running gateway
progress.py    how many sessions were read so far
rendering.py   the answer as a table, as JSON or as CSV
"""
