"""Where else the pipeline runs: Kubeflow Pipelines, one task a TFX node."""
