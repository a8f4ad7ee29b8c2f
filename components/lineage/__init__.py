"""What ML Metadata knows of earlier runs: which data passed, which model serves."""
