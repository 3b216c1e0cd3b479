"""Values behind a comparison: experiments, figures, paired cases."""
