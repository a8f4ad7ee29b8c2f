"""How local_runner.py runs the pipeline: a worker process, its events, and their live view."""
