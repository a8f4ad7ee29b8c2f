"""Recurring runs: what is created, and what becomes of the one that had the name."""


def test_a_recurring_run_replaces_the_one_of_its_name(submit, kfp):
    schedule = (
        "--cron",
        "0 0 2 * * *",
        "--recurring-name",
        "nightly",
        "--set",
        "training.epochs=3",
    )
    assert submit(*schedule).code == 0
    (made,) = kfp.calls("POST", "/recurringruns")
    assert made.body == {
        "display_name": "nightly",
        "experiment_id": "e1",
        "mode": "ENABLE",
        "trigger": {"cron_schedule": {"cron": "0 0 2 * * *"}},
        "max_concurrency": "1",
        "no_catchup": False,
        "pipeline_version_reference": {"pipeline_id": "p1", "pipeline_version_id": "v1"},
        "runtime_config": {"parameters": {"overrides": ["training.epochs=3"]}},
    }
    assert kfp.calls("POST", "/runs") == []
    kfp.recurring[0]["recurring_run_id"] = "old"

    again = submit(*schedule, "--max-concurrency", "2", "--no-catchup", "--service-account", "sa")
    assert again.code == 0
    body = kfp.calls("POST", "/recurringruns")[1].body
    assert (body["max_concurrency"], body["no_catchup"], body["service_account"]) == (
        "2",
        True,
        "sa",
    )
    # The old one goes when the new one is there, and its runs in progress live.
    order = [f"{r.method} {r.path[14:]}" for r in kfp.asked if "recurringruns" in r.path][-4:]
    assert order == [
        "GET recurringruns",
        "POST recurringruns",
        "POST recurringruns/old:disable",
        "DELETE recurringruns/old",
    ]
    assert kfp.calls("DELETE", "/old")[0].query == {"propagation_policy": "ORPHAN"}
    assert "replaces old: deleted; its runs go on" in again.out


def test_an_older_server_kills_runs_with_their_schedule_so_it_is_only_disabled(submit, kfp):
    kfp.tag = "2.14.0"
    schedule = ("--cron", "0 0 2 * * *", "--recurring-name", "nightly")
    submit(*schedule)
    kfp.recurring[0]["recurring_run_id"] = "old"
    done = submit(*schedule)
    assert done.code == 0
    assert kfp.recurring[0]["status"] == "DISABLED"
    assert "replaces old: disabled (deleting it would end its runs)" in done.out


def test_a_recurring_run_of_another_pipeline_is_left_alone(submit, kfp):
    kfp.recurring.append(
        {
            "recurring_run_id": "old",
            "display_name": "nightly",
            "pipeline_version_reference": {"pipeline_id": "other"},
        }
    )
    refused = submit("--cron", "0 0 2 * * *", "--recurring-name", "nightly")
    assert refused.code == 2
    assert "nightly (old) belongs to another pipeline" in refused.err
    assert len(kfp.recurring) == 1


def test_an_old_recurring_run_that_stays_is_reported(submit, kfp):
    schedule = ("--cron", "0 0 2 * * *", "--recurring-name", "nightly")
    submit(*schedule)
    kfp.recurring[0]["recurring_run_id"] = "old"
    kfp.answers = lambda request: (403, {"message": "no"}) if "disable" in request.path else None
    done = submit(*schedule)
    assert done.code == 1
    assert "two of this name may start runs now: disable the old one" in done.err


def test_every_page_of_the_servers_list_is_read(submit, kfp):
    ours = {"display_name": "nightly", "pipeline_version_reference": {"pipeline_id": "p1"}}
    pages = [
        {"recurringRuns": [{**ours, "recurring_run_id": "a"}], "next_page_token": "t1"},
        {"recurringRuns": [{**ours, "recurring_run_id": "b"}]},
    ]
    kfp.recurring += [page["recurringRuns"][0] for page in pages]
    kfp.answers = lambda request: (
        (200, pages[request.query.get("page_token") == "t1"])
        if request.method == "GET" and request.path.endswith("/recurringruns")
        else None
    )
    done = submit("--cron", "0 0 2 * * *", "--recurring-name", "nightly")
    assert done.code == 0
    assert [one["recurring_run_id"] for one in kfp.recurring] == ["rr3"]
