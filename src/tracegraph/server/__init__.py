"""The server process: sockets, workers, signals and the HTTP protocol."""
