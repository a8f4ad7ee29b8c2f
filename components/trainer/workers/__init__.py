"""Training with several processes (`training.strategy: multi_worker`)."""
