"""`python -m tracegraph.simulators`: the demo's vendors on fixed ports of loopback, until SIGTERM or Ctrl-C."""

import argparse
import signal

from tracegraph.simulators.vendors import demo_vendors


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tracegraph.simulators")
    parser.add_argument(
        "--ports", nargs=3, type=int, default=[9001, 9002, 9003], metavar=("NEMO", "LANGSMITH", "MEIBEL")
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with demo_vendors(ports=parser.parse_args().ports):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    _main()
