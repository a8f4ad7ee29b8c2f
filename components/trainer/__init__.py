"""The Trainer: fine-tunes a BiT on the transformed examples."""
