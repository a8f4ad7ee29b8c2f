"""Report: what came of a run, as one HTML page that needs no network."""
