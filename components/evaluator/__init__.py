"""Evaluator: what is measured of a model, and the gates that it must pass."""
