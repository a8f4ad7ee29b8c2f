"""bit-mini: the shipped backbone, and the script that made it."""
