"""Pusher: a blessed model becomes the newest version in serving, whole, and only once."""
