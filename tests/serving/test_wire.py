"""TensorFlow Serving's wire contract, by its own messages: of a pushed version, and of our server.

The server has TLS, so that one start of it shows both.
"""

import base64
import http.client
import json
import re
import shutil
import ssl
import subprocess

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_status_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from components.process import ROOT
from components.pusher.versions import WARM_UP
from components.signatures import signatures
from tests.components.trainer.jobs import CLASSES
from tests.serving.servable import Servable
from tests.serving.server import JSON, Server, strict

pytestmark = pytest.mark.slow

SAME = {"rtol": 0, "atol": 1e-6}
SIDE = 24
BAD = b"\xff\xd8\xff\xe0 this is no image"


@pytest.fixture(scope="module")
def servable(serving):
    found = Servable(serving / "100")
    yield found
    found.close()


def ask(servable, signature, **inputs):
    """Arrays by name, through the bytes of a request and of its response."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "digits", signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    response = predict_pb2.PredictResponse.FromString(servable.predict(request.SerializeToString()))
    return {name: tf.make_ndarray(each) for name, each in response.outputs.items()}


def example(image):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    features = tf.train.Features(feature={"image": feature})
    return tf.train.Example(features=features).SerializeToString()


def test_the_signature_defs_are_the_contract(servable):
    contract = {each.name: each for each in signatures(len(CLASSES), SIDE)}
    assert servable.signatures.keys() == contract.keys()
    for name, definition in servable.signatures.items():
        # Without it TensorFlow Serving answers no Predict.
        assert definition.method_name == "tensorflow/serving/predict"
        for ours, theirs in (
            (contract[name].inputs, definition.inputs),
            (contract[name].outputs, definition.outputs),
        ):
            assert ours.keys() == theirs.keys()
            for key, info in theirs.items():
                shape = tuple(tf.TensorShape(info.tensor_shape).as_list())
                dtype = tf.as_dtype(info.dtype).name
                assert (dtype, shape) == (ours[key].dtype, ours[key].shape), (name, key)


def test_requests_for_each_signature_are_answered(servable, images, answers):
    encoded = [*images, BAD]
    for name, inputs in (
        ("predict_image", {"image_bytes": encoded}),
        ("serving_default", {"examples": [example(each) for each in encoded]}),
    ):
        found = ask(servable, name, **inputs)
        np.testing.assert_allclose(found["probabilities"][:-1], answers[0], **SAME)
        assert np.isnan(found["probabilities"][-1]).all()
        top = answers[0].argmax(1)
        assert found["class_index"].tolist() == [*top, -1]
        assert found["class_name"].tolist() == [*(str(each).encode() for each in top), b""]
        assert found["valid"].tolist() == [True] * len(images) + [False]
        assert [bool(each) for each in found["error"]] == [False] * len(images) + [True]
    decoded = [tf.image.decode_image(each, channels=3, expand_animations=False) for each in images]
    pixels = np.stack([tf.image.resize(each, (SIDE, SIDE)).numpy() / 255 for each in decoded])
    found = ask(servable, "predict_pixels", pixels=pixels.astype(np.float32))
    np.testing.assert_allclose(found["probabilities"], answers[0], **SAME)
    names = [str(each).encode() for each in range(len(CLASSES))]
    assert ask(servable, "labels")["labels"].tolist() == names


def test_the_warm_up_requests_are_ones_that_it_answers(serving, servable):
    """As TensorFlow Serving replays them, before a version takes others."""
    records = list(tf.data.TFRecordDataset(str(serving / "100" / WARM_UP)).as_numpy_iterator())
    assert 0 < len(records) <= 1_000
    asked = set()
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "digits"
        wire = servable.predict(request.SerializeToString())
        response = predict_pb2.PredictResponse.FromString(wire)
        ((name, tensor),) = request.inputs.items()
        rows = tensor.tensor_shape.dim[0].size
        assert tf.make_ndarray(response.outputs["valid"]).tolist() == [True] * rows
        asked.add((request.model_spec.signature_name, name, rows))
    both = (("predict_image", "image_bytes"), ("serving_default", "examples"))
    assert asked == {(*each, rows) for each in both for rows in (1, 7, 64)}


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Certificate and key for localhost."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl: apt install openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    kind = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = ["openssl", "req", "-x509", "-newkey", *kind, *name, "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def server(serving, tls):
    cert, key = tls
    with_tls = ("--tls-cert", str(cert), "--tls-key", str(key))
    server = Server(serving, *with_tls, context=ssl.create_default_context(cafile=str(cert)))
    yield server
    server.kill()


def b64(image):
    return {"b64": base64.b64encode(image).decode()}


def refused(server, method, path, body=None):
    status, _, text = server.send(method, path, None if body is None else json.dumps(body), JSON)
    assert status >= 400
    error = strict(text)
    assert error.keys() == {"error"}
    return status, error["error"]


PREDICT = "/v1/models/digits:predict"


def instances(server, images, answers):
    for rows in ([b64(each) for each in images], [{"image_bytes": b64(i)} for i in images]):
        found = server.ask(PREDICT, {"instances": rows})["predictions"]
        np.testing.assert_allclose([row["probabilities"] for row in found], answers[0], **SAME)


def inputs(server, images, answers):
    for columns in ([b64(images[0])], {"image_bytes": [b64(images[0])]}):
        status, sentence = refused(server, "POST", PREDICT, {"inputs": columns})
        assert status == 400
        assert '{"instances": [{"b64": "..."}' in sentence


def no_signature(server, images, answers):
    (row,) = server.ask(PREDICT, {"instances": [b64(images[0])]})["predictions"]
    np.testing.assert_allclose(row["probabilities"], answers[0][0], **SAME)


def signature(server, images, answers):
    body = {"instances": [b64(images[0])], "signature_name": "predict_image"}
    assert server.ask(PREDICT, body)["predictions"][0]["valid"]
    for name in ("serving_default", "predict_pixels", "labels", "nothing"):
        status, sentence = refused(server, "POST", PREDICT, {**body, "signature_name": name})
        assert status == 400
        assert name in sentence


def row(server, images, answers):
    (row,) = server.ask(PREDICT, {"instances": [b64(images[0])]})["predictions"]
    outputs = signatures(len(CLASSES), SIDE)[1].outputs
    assert list(row) == list(outputs)


def beside(server, images, answers):
    found = server.ask(PREDICT, {"instances": [b64(images[0])]})
    assert found.keys() - {"predictions"} == {"model_version"}


def bad_image(server, images, answers):
    (row,) = server.ask(PREDICT, {"instances": [b64(BAD)]})["predictions"]
    assert row["probabilities"] == [None] * len(CLASSES)


def error(server, images, answers):
    assert refused(server, "POST", "/v1/models/half:predict", {"instances": [1.0]})[0] == 404
    assert refused(server, "POST", PREDICT, {"instances": [1.0, 5.0]})[0] == 400


def status(server, images, answers):
    found = server.ask("/v1/models/digits")
    assert (found.pop("name"), found.pop("ready")) == ("digits", True)
    # What is left has no field that the message lacks.
    read = json_format.ParseDict(found, get_model_status_pb2.GetModelStatusResponse())
    (version,) = read.model_version_status
    assert (version.version, version.State.Name(version.state)) == (100, "AVAILABLE")
    assert version.status.error_code == 0
    assert refused(server, "GET", "/v1/models/half")[0] == 404


def metadata(server, images, answers):
    code, sentence = refused(server, "GET", "/v1/models/digits/metadata")
    assert code == 404
    assert "/v2/models/NAME" in sentence
    assert server.ask("/v2/models/digits")["inputs"][0]["name"] == "image_bytes"


def versions(server, images, answers):
    for path in ("versions/100", "labels/stable"):
        for method, end, body in (("POST", ":predict", {"instances": []}), ("GET", "", None)):
            code, sentence = refused(server, method, f"/v1/models/digits/{path}{end}", body)
            assert code == 404
            assert "one version answers" in sentence


def other_methods(server, images, answers):
    for method in ("classify", "regress"):
        code, sentence = refused(server, "POST", f"/v1/models/digits:{method}", {"examples": []})
        assert code == 404
        assert ":predict" in sentence


def by_grpc(server, images, answers, cert):
    """Their service is not ours; without TLS there is neither."""
    address = f"localhost:{server.grpc_port}"
    credentials = grpc.ssl_channel_credentials(cert.read_bytes())
    request = predict_pb2.PredictRequest()
    for channel, code in (
        (grpc.secure_channel(address, credentials), grpc.StatusCode.UNIMPLEMENTED),
        (grpc.insecure_channel(address), grpc.StatusCode.UNAVAILABLE),
    ):
        with channel, pytest.raises(grpc.RpcError) as failed:
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
        assert failed.value.code() == code
    with grpc.secure_channel(address, credentials) as channel:
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=30)
    # ServerLiveResponse: field 1, a bool.
    assert live == b"\x08\x01"


def metrics(server, images, answers):
    assert server.send("GET", "/metrics")[0] == 200
    assert server.send("GET", "/monitoring/prometheus/metrics")[0] == 404


LINES = {
    "`instances`": instances,
    "`inputs`, by columns": inputs,
    "no `signature_name`": no_signature,
    "`signature_name`": signature,
    "a row of `predictions`": row,
    "beside `predictions`": beside,
    "a bad image's probabilities": bad_image,
    "an error": error,
    "`GET /v1/models/NAME`": status,
    "`GET /v1/models/NAME/metadata`": metadata,
    "`/versions/N`, `/labels/L`": versions,
    "`:classify`, `:regress`": other_methods,
    "gRPC": by_grpc,
    "metrics": metrics,
}
"""By the first column of the page's table."""


@pytest.mark.parametrize("line", LINES)
def test_what_differs_is_as_the_page_says(server, tls, images, answers, line):
    more = {"cert": tls[0]} if line == "gRPC" else {}
    LINES[line](server, images, answers, **more)


def test_the_page_says_it_all():
    page = (ROOT / "docs/how-to/serving-elsewhere.md").read_text(encoding="utf-8")
    table = page.partition("### What differs")[2].partition("\n| | TensorFlow Serving")[2]
    rows = re.findall(r"^\| (.+?) \| .+ \| .+ \|$", table.partition("\n\n")[0], re.MULTILINE)
    assert rows == list(LINES)


def test_with_tls_nothing_is_said_in_clear(server):
    (said,) = (line for line in server.lines if line.startswith("serving "))
    assert "https://localhost" in said
    assert "this machine alone can ask" in said
    context, server._context = server._context, None
    try:
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            server.send("GET", "/v1/models")
    finally:
        server._context = context
