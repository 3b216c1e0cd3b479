"""Simulators of the three vendors over real HTTP, with sample data, for the demo and for the tests.

    world = NemoWorld(workspace="research")
    world.add(nemo_experiment("baseline"), [nemo_session("s1"), nemo_session("s2", status="error")])
    simulator = nemo.create_app(world)
    async with running(simulator) as base_url:
        ...                                   # send requests; change `world` between two calls
    assert len(simulator.calls) == 1          # every request, in order
    simulator.faults.add(Fault("status", status=503, times=2))

Each simulator follows the vendor's contract and observed behaviour; a docstring names the source. Nothing here
imports the gateway, so a test of the gateway has an independent counterpart.
"""
