"""The soak: mixed queries while vendors fail at random, every answer checked against the vendors' data.

    make soak SECONDS=600 SEED=1
    python -m tools.soak --seconds 600 --seed 1 --connections 16

The vendors are simulated in a process of their own, the gateway is `tracegraph serve`.
"""
