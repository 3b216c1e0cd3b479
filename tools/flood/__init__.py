"""A flood of hostile requests at `tracegraph serve`, and what honest clients beside it notice (`make flood`)."""
