"""What /metrics shows: counted on the way at next to no cost, made into Prometheus's text when it is asked for."""
