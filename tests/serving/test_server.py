"""A real server, asked in every way that it has; what it answers is what the model says."""

import base64
import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.process import ROOT
from serving.client import Client, ServerError
from serving.environment import PYTHON
from tests.browser.conftest import browser  # noqa: F401  # A fixture.
from tests.serving.server import JSON, Server, strict

pytestmark = pytest.mark.slow

PREDICT, INFER = "/v1/models/digits:predict", "/v2/models/digits/infer"
SAME = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def server(serving, logged):
    with_log = ("--log-requests", str(logged), "--sample", "1")
    server = Server(serving, "--max-instances", "64", "--max-body-mb", "2", *with_log)
    yield server
    server.kill()


def b64(image):
    return {"b64": base64.b64encode(image).decode()}


def test_v1_answers_as_the_model_does(server, images, answers):
    for instances in ([b64(each) for each in images], [{"image_bytes": b64(i)} for i in images]):
        found = server.ask(PREDICT, {"instances": instances, "signature_name": "predict_image"})
        assert found["model_version"] == "100"
        rows = found["predictions"]
        np.testing.assert_allclose([row["probabilities"] for row in rows], answers[0], **SAME)
        assert [row["class_index"] for row in rows] == answers[0].argmax(1).tolist()
        assert [row["class_name"] for row in rows] == [str(each) for each in answers[0].argmax(1)]
        assert all(row["valid"] and row["error"] == "" for row in rows)


def test_a_bad_image_costs_its_row(server, images, answers):
    bad = images[1][: len(images[1]) // 2]
    body = json.dumps({"instances": [b64(images[0]), b64(bad), b64(b""), b64(images[2])]})
    status, headers, text = server.send("POST", PREDICT, body, JSON)
    assert (status, headers["x-model-version"]) == (200, "100")
    first, second, third, fourth = strict(text)["predictions"]
    for row in (second, third):
        assert (row["valid"], row["class_index"], row["class_name"]) == (False, -1, "")
        assert row["probabilities"] == [None] * 10
    assert "damaged" in second["error"]
    assert third["error"] == "0 bytes"
    np.testing.assert_allclose(first["probabilities"], answers[0][0], **SAME)
    np.testing.assert_allclose(fourth["probabilities"], answers[0][2], **SAME)


def v2(images, **changes):
    data = [base64.b64encode(each).decode() for each in images]
    return {
        "name": "image_bytes",
        "datatype": "BYTES",
        "shape": [len(data)],
        "data": data,
    } | changes


@pytest.mark.parametrize("nested", [False, True])
def test_v2_answers_as_the_model_does(server, images, answers, nested):
    tensor = v2([*images, b"no image"])
    if nested:
        tensor |= {"shape": [len(images) + 1, 1], "data": [[each] for each in tensor["data"]]}
    found = server.ask(INFER, {"id": "7", "inputs": [tensor]})
    assert (found["id"], found["model_name"], found["model_version"]) == ("7", "digits", "100")
    columns = {each["name"]: each for each in found["outputs"]}
    assert columns["probabilities"]["shape"] == [len(images) + 1, 10]
    rows = np.reshape(columns["probabilities"]["data"], (-1, 10))
    np.testing.assert_allclose(rows[:-1].astype(float), answers[0], **SAME)
    assert rows[-1].tolist() == [None] * 10
    assert columns["valid"]["data"] == [True] * len(images) + [False]
    some = server.ask(INFER, {"inputs": [v2(images)], "outputs": [{"name": "class_name"}]})
    assert some["id"]
    (only,) = some["outputs"]
    assert only["data"] == [str(each) for each in answers[0].argmax(1)]


def test_grpc_answers_as_the_model_does(server, images, answers, tmp_path):
    files = [tmp_path / str(row) for row in range(len(images))]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(image)
    script = Path(__file__).with_name("ask_grpc.py")
    ended = subprocess.run(
        [PYTHON, script, str(server.grpc_port), *files], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["live"]
    assert found["ready"]
    assert found["version"] == "100"
    for key in ("bytes", "base64"):
        assert found[key]["shape"] == [len(images) + 1, 10]
        rows = np.reshape(found[key]["probabilities"], (-1, 10))
        np.testing.assert_allclose(rows, answers[0], **SAME)
        assert found[key]["valid"] == [True] * len(images) + [False]
        assert found[key]["error"]
    assert found["refused"] == ["INVALID_ARGUMENT"] * 4
    assert found["unload"] == "UNIMPLEMENTED"


def test_it_says_what_it_serves_and_how_it_is(server, images):
    assert server.ask("/v1/models") == {"models": ["digits"]}
    assert server.ask("/v1/models/digits")["ready"] is True
    assert server.ask("/v2/health/live") == {"live": True}
    assert server.ask("/v2/health/ready") == {"ready": True}
    assert server.ask("/v2/models/digits/ready")["ready"]
    metadata = server.ask("/v2/models/digits")
    assert metadata["inputs"] == [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}]
    assert {each["name"]: each["shape"] for each in metadata["outputs"]}["probabilities"] == [
        -1,
        10,
    ]
    assert {PREDICT.replace("digits", "{model_name}"), "/model"} <= server.ask("/openapi.json")[
        "paths"
    ].keys()
    labels = [str(each) for each in range(10)]
    assert server.ask("/model") == {"name": "digits", "version": "100", "labels": labels}

    before = metrics(server)
    server.ask(PREDICT, {"instances": [b64(images[0]), b64(images[1]), b64(b"bad")]})
    after = metrics(server)
    assert after['bit_images_total{valid="true"}'] - before['bit_images_total{valid="true"}'] == 2
    assert after['bit_images_total{valid="false"}'] - before['bit_images_total{valid="false"}'] == 1
    assert after["bit_model_version"] == 100
    assert after['request_predict_seconds_count{model_name="digits"}'] > 0


def metrics(server):
    status, _, text = server.send("GET", "/metrics")
    assert status == 200
    lines = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in lines}


WRONG = {
    "no JSON": (PREDICT, "{", 400, "Unrecognized request format"),
    "no object": (PREDICT, "[1]", 400, "must be an object"),
    "no instances": (PREDICT, "{}", 400, "instances"),
    "none": (PREDICT, '{"instances": []}', 400, "empty"),
    "too many": (PREDICT, json.dumps({"instances": [{"b64": ""}] * 65}), 400, "at most 64"),
    "no base64": (PREDICT, '{"instances": [{"b64": "#"}]}', 400, r"instances[0]: \"b64\" is not"),
    "another key": (PREDICT, '{"instances": [{"image": "QQ=="}]}', 400, "['image']"),
    "a string": (PREDICT, '{"instances": ["QQ=="]}', 400, "instances[0]"),
    "a number": (PREDICT, '{"instances": [{"b64": 5}]}', 400, "must be a string"),
    "examples": (PREDICT, '{"instances": [], "signature_name": "x"}', 400, "predict_image"),
    "deep": (PREDICT, "[" * 100_000, 400, ""),
    "v2 without inputs": (INFER, "{}", 400, "inputs"),
    "v2 of another name": (INFER, json.dumps({"inputs": [v2([b"a"], name="x")]}), 400, "['x']"),
    "v2 of half a character": (
        INFER, json.dumps({"id": "\ud800", "inputs": [v2([b"a"])]}), 400, "the id",
    ),
    "v2 of numbers": (INFER, json.dumps({"inputs": [v2([b"a"], datatype="FP32")]}), 400, "BYTES"),
    "v2 of another shape": (INFER, json.dumps({"inputs": [v2([b"a"], shape=[2])]}), 400, "shape"),
    "v2 no base64": (INFER, json.dumps({"inputs": [v2([b"a"], data=["#"])]}), 400, "base64"),
    "v2 no output": (
        INFER, json.dumps({"inputs": [v2([b"a"])], "outputs": [{"name": "x"}]}), 400, "no output",
    ),
    "another model": ("/v1/models/cats:predict", '{"instances": []}', 404, "cats"),
    "unload": ("/v2/repository/models/digits/unload", "", 404, "serving folder"),
    "explain": ("/v1/models/digits:explain", "{}", 404, "explain"),
    "a version": ("/v2/models/digits/versions/3/infer", "{}", 404, "one version"),
    "a version by query": (
        f"{INFER}?model_version=3", json.dumps({"inputs": [v2([b"a"])]}), 404, "one version",
    ),
    "too large": (PREDICT, "x" * 3_000_000, 413, "2000000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_the_callers_and_said_in_a_sentence(server, case):
    path, body, code, sentence = WRONG[case]
    status, _, text = server.send("POST", path, body, JSON)
    assert status == code, text
    assert sentence.replace("\\", "") in strict(text)["error"]
    assert "Traceback" not in text.decode()


def test_binary_tensors_are_refused_with_what_to_do(server):
    headers = {"Inference-Header-Content-Length": "9", "Content-Type": "application/octet-stream"}
    status, _, text = server.send("POST", INFER, b"\xff" * 40, headers)
    assert status == 400
    assert "base64" in strict(text)["error"]


def test_the_client_and_the_line_of_curl_in_the_documents_work(server, images, answers, tmp_path):
    with Client(server.url) as client:
        file = tmp_path / "seven.png"
        file.write_bytes(images[0])
        good, bad = client.predict([file, b"no image"])
        assert client.name == "digits"
        top = int(answers[0][0].argmax())
        assert (good.class_index, good.version, good.valid, good.error) == (top, 100, True, "")
        assert good.probability == pytest.approx(answers[0][0][top], abs=1e-6)
        assert (bad.valid, bad.probability, bad.class_name) == (False, None, "")
        assert bad.error
        with pytest.raises(ServerError, match="at most 64") as refused:
            client.predict([b""] * 65)
        assert refused.value.status == 400

    def typed(page):
        """The page's line of curl, for this server and this image."""
        text = (ROOT / page).read_text(encoding="utf-8")
        (line,) = re.findall(r"^base64 .* \| curl .*$", text, re.MULTILINE)
        line = re.sub(r"tulip\.jpg|seven\.png", str(file), line).replace("flowers", "digits")
        return line.replace("localhost:8080", f"localhost:{server.port}")

    for page in ("README.md", "docs/how-to/serving.md"):
        ended = subprocess.run(["bash", "-c", typed(page)], capture_output=True, check=False)
        (row,) = strict(ended.stdout)["predictions"]
        np.testing.assert_allclose(row["probabilities"], answers[0][0], **SAME)
    page = (ROOT / "docs" / "how-to" / "serving.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    code = code.replace("localhost:8080", f"localhost:{server.port}").replace(
        "tulip.jpg", str(file)
    )
    ended = subprocess.run(
        [PYTHON, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.stdout.split()[0] == str(top), ended.stderr


def test_fuzzed_bodies_are_answered_and_cost_no_memory(server, images):
    draw = random.Random(17)
    whole = [
        (PREDICT, json.dumps({"instances": [b64(images[0]), {"image_bytes": b64(images[1])}]})),
        (
            INFER,
            json.dumps({"id": "1", "inputs": [v2(images[:2])], "outputs": [{"name": "valid"}]}),
        ),
    ]
    types = [*JSON.values(), "text/plain", "application/cloudevents+json", "application/x-protobuf"]
    paths = [
        PREDICT,
        INFER,
        "/v2/models/digits",
        "/v2/models/%ff/infer",
        "/v1/models/:predict",
        "//",
    ]
    counts, sizes = {}, []
    for number in range(3_000):
        path, body = draw.choice(whole)
        data = mutated(draw, body.encode())
        headers = {"Content-Type": draw.choice(types)}
        if draw.random() < 0.1:
            headers |= {"ce-id": "1", "ce-specversion": draw.choice(["1.0", "x"]), "ce-type": "a"}
        if draw.random() < 0.1:
            path = draw.choice(paths)
        status, _, text = server.send(draw.choice(["POST"] * 9 + ["PUT"]), path, data, headers)
        assert status < 500, (data[:300], headers, text)
        counts[status] = counts.get(status, 0) + 1
        if number >= 1_000 and number % 250 == 0:
            sizes.append(server.memory_mb())
    assert server.process.poll() is None
    assert counts[400] > 300
    assert counts[200] > 60
    assert max(sizes) - sizes[0] < 40
    server.ask(PREDICT, {"instances": [b64(images[0])]})


def mutated(draw, data):
    """Bytes changed, cut out, doubled or moved; or a value of the JSON replaced by another kind."""
    if draw.random() < 0.5:
        values = [None, True, -1, 1e308, "", "x" * 50, [], [[]], {}, {"b64": []}, "\x00", "\ud800"]
        document = json.loads(data)
        holder, key = draw.choice(list(places(document)))
        holder[key] = draw.choice(values)
        return json.dumps(document).encode()
    for _ in range(draw.randint(0, 4)):
        at, to = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        kind = draw.randrange(4)
        if kind == 0:
            data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:to] + data[at:]
        else:
            data = data[at:] + data[:at]
    return data


def places(value):
    """Every (container, key) of a JSON document."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places(each)


def test_the_page_shows_the_classes_of_a_picture(server, browser, images, answers, tmp_path):  # noqa: F811
    (tmp_path / "seven.png").write_bytes(images[0])
    (tmp_path / "bad.png").write_bytes(b"no image")
    context = browser.new_context()
    foreign, complaints = [], []
    context.on(
        "request",
        lambda request: (
            request.url.startswith((server.url, "blob:", "data:")) or foreign.append(request.url)
        ),
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.text_content("h1") == "digits"
    page.set_input_files("#file", tmp_path / "seven.png")
    page.wait_for_selector("figure li")
    ranked = np.argsort(-answers[0][0])
    shown = page.eval_on_selector_all("figure li", "all => all.map((each) => each.innerText)")
    assert [each.split()[0] for each in shown] == [str(each) for each in ranked]
    assert f"{100 * answers[0][0][ranked[0]]:.1f} %" in " ".join(shown[0].split())
    bars = page.eval_on_selector_all("meter", "all => all.map((each) => each.value)")
    np.testing.assert_allclose(bars, answers[0][0][ranked], **SAME)
    assert page.eval_on_selector("figure img", "each => each.naturalWidth") == 8

    content = base64.b64encode(images[1]).decode()
    page.evaluate(
        """(content) => {
          const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
          const dropped = new DataTransfer();
          dropped.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
          document.getElementById("drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    page.wait_for_function("document.querySelectorAll('figure').length === 2")
    page.wait_for_selector("figure:first-of-type li")
    top = page.inner_text("figure:first-of-type li:first-of-type span")
    assert top == str(answers[0][1].argmax())

    page.set_input_files("#file", tmp_path / "bad.png")
    page.wait_for_selector(".error")
    assert page.inner_text(".error").startswith("bad.png: neither a JPEG")
    context.close()
    assert foreign == []
    assert complaints == []


def test_a_version_that_does_not_load_is_said_and_the_old_one_goes_on(server, serving, images):
    broken = serving / ".unfinished-by-hand"
    shutil.copytree(serving / "100", broken)
    graph = broken / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])
    broken.rename(serving / "200")
    line = server.wait_for("version 200 cannot be loaded")
    assert "version 100 goes on" in line
    failed, answers = server.ask("/v1/models/digits")["model_version_status"]
    assert (failed["version"], failed["state"]) == ("200", "END")
    assert failed["status"]["error_message"] in line
    assert (answers["version"], answers["state"]) == ("100", "AVAILABLE")
    assert server.ask(PREDICT, {"instances": [b64(images[0])]})["model_version"] == "100"
    shutil.rmtree(serving / "200")


def test_what_was_logged_is_there_when_it_has_ended(server, logged, answers):
    assert server.end() == 0
    assert "every accepted request is answered" in server.lines[-1]
    rows = [row for file in logged.glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert not list(logged.glob(".*"))
    assert {row["version"] for row in rows} == {100}
    assert all(row["image"] is None for row in rows)
    good = [row for row in rows if row["valid"]]
    assert {row["class_name"] for row in good} >= {str(each) for each in answers[0].argmax(1)}
    assert all(0 < row["probability"] <= 1 and row["latency_ms"] > 0 for row in good)
    bad = [row for row in rows if not row["valid"]]
    assert "0 bytes" in {row["error"] for row in bad}
    assert all(row["class_name"] is None and row["probability"] is None for row in bad)
