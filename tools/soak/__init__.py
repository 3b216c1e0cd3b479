"""The soak test: mixed queries while vendors fail at random; every response is compared with the vendors' data.

    make soak SECONDS=600 SEED=1
    python -m tools.soak --seconds 600 --seed 1 --connections 16

The vendors are simulated in a separate process. The gateway is `tracegraph serve`.
"""
