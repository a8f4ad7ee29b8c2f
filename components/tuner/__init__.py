"""Tuner: short trainings choose the rate, the schedule and the mode that the Trainer takes."""
