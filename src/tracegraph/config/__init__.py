"""The configuration: from the file and the environment to checked settings, and the sentences that refuse it."""
