"""The statistics of the examples."""
