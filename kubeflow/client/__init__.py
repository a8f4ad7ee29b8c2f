"""How `bit-tfx kubeflow submit` talks to a Kubeflow Pipelines server; it runs in .venv-kfp.

`transport` (the way there) <- `dex`, `auth` (who asks) <- `server` (asks, and parses) <- `uploads`
<- `runs` (with `outcome`) <- `recurring` <- `submit`; `errors` says what a refusal means, `package`
reads the compiled file. Requests and models are those of kfp_server_api, which is generated from
the server's own API. `kfp.Client`, which wraps it, was tried piece by piece, and every piece either
is one line around the same method or breaks a promise of ours. Lines are those of kfp 2.17's
client/client.py; tests/kubeflow/submit/test_sdk.py fails where a newer one mends a reason.

- *Making one* takes a namespace, a cookie and a header from ~/.config/kfp/context.json (340), so
  that a run depends on who logged in before; asks the server first (204), and logs in at Google
  where a variable says so (281). The import costs 1.6 s and 70 MB, kfp_server_api's 0.4 s and 25.
- *Health*: every answer but 200, a 401 too, is asked for five times in 25 s and logged with its
  traceback, then is a TimeoutError without the reason (416-432). Neither it nor the generated model
  has the server's version, on which our warning and the end of an old schedule depend.
- *Experiments, pipelines, versions*: no answer to a 409, which is what somebody who was faster
  causes (477); a pipeline is looked for without a namespace (490-516), which a server of many users
  refuses; the first version is named after the pipeline (1409), so that its content is lost. Links
  are printed in a form of its own by `print` (486, 747, 1444, 1527).
- *Runs*: `run_pipeline` cannot say whether a run may have started all the same. Waiting never ends
  for a cancelled run (1384), ends with the first 503 (1398), and renews Google's login only (349).
- *Recurring runs*: a deletion kills the runs in progress, since the policy cannot be given (1147).
- *Credentials*: `existing_token` cannot be renewed; there is no login at Dex; the token's file
  of a pod is one `open`, logged besides being raised (set_volume_credentials.py:66).
- *TLS, proxy*: passed on as they are to kfp_server_api's Configuration (231-238), as here.
"""
