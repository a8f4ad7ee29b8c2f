"""The screen: which images can be trained on, and why the others cannot."""
