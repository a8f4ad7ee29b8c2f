"""The documents: pages that are written from the code, and checks of those that are not."""
