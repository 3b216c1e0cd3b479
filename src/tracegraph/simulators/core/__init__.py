"""What the simulated vendors share: servers, faults, parameters, times."""
