"""DataGate: what is wrong with the data stops the run before it trains."""
