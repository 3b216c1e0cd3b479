"""The server process: sockets, workers, signals, the HTTP protocol."""
