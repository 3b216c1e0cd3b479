"""`tracegraph compare`: compare experiments in a terminal.

command.py     the command with its exit codes
query.py       the arguments as one GraphQL query
client.py      runs the query over the configured sources, or sends it to a running gateway
progress.py    the progress bar of sessions read
rendering.py   the result as a table, as JSON or as CSV
"""
