"""How `bit-tfx kubeflow submit` talks to a Kubeflow Pipelines server.

It stands on kfp_server_api, not on kfp.Client: that one sleeps and logs tracebacks where a server
is not there, keeps a namespace in the home folder, and waits for ever for a cancelled run.
"""
