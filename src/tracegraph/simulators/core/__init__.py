"""Parts that the simulators share: servers, faults, parameters, times."""
