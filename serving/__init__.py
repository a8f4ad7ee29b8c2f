"""Who asks the model: the server, its client, and what they say to each other. No TFX in it."""
