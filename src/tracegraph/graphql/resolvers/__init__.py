"""What the fields with work behind them do."""
