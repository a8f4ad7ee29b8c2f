"""Training by several processes (`training.strategy: multi_worker`)."""
