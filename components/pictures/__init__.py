"""The Pictures step: what the data look like as they are stored, and as they are trained on."""
