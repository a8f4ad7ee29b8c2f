"""Batch scoring: a served model's answers for many images, as a table."""
