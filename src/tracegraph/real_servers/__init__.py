"""The real MLflow and Phoenix on this machine, for `tracegraph demo --real` and for the live tests.

Each has a virtual environment of its own. The scripts `*_ingestion.py` run there, with the client of the
server, and import nothing of the gateway.
"""
