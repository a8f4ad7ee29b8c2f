"""The backbone: where it lies, how it is loaded, and what it must do."""
