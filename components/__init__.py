"""How each step works: one folder a step, named after the step."""
