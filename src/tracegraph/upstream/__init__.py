"""One vendor's HTTP: connections, deadline, retry, status codes, decoding."""
