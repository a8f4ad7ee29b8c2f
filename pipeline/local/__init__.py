"""How local_runner.py runs the pipeline: a worker process, its events, and the live view of them."""
