"""What runs: the configuration and the pipeline made from it."""
