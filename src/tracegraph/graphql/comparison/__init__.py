"""The values behind a comparison: experiments, figures, paired cases."""
