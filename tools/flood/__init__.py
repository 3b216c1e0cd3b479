"""A flood of hostile requests to `tracegraph serve`, and its effect on other clients (`make flood`)."""
