"""How a server is started: mistakes that need no server, its environment, its warm-up requests."""

import contextlib
import hashlib
import socket

import pytest
import tensorflow as tf

from components.errors import UserError
from components.model_check.warm_up import warm_up_requests as written
from components.pusher.versions import WARM_UP
from components.storage import as_path
from serving import environment
from serving.admission import NotAdmittedError
from serving.listen import check_ports
from serving.settings import Settings
from serving.switch import Switch, in_order
from serving.version import name_of
from serving.warm_up import warm_up_requests
from tests.command import bit_tfx
from tests.serving.server import free_ports


@pytest.fixture
def serving(tmp_path):
    (tmp_path / "serving" / "7").mkdir(parents=True)
    return tmp_path / "serving"


def refused(*arguments):
    ended = bit_tfx("serve", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    return ended.stderr


def test_a_folder_without_versions_is_a_mistake(tmp_path, serving):
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert f"Did you mean {serving}?" in refused(tmp_path)
    (serving / "7").rmdir()
    assert "holds no version, a folder whose name is a number. `" in refused(serving)


def test_a_port_in_use_is_a_mistake(serving):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option in ("--port", "--grpc-port"):
            assert f"port {port} of 127.0.0.1 cannot be opened" in refused(serving, option, port)
        # Taken while the model was loading: asked again before they are opened.
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be opened"):
            check_ports(Settings(serving, port=port))
        assert "cannot be opened" in refused(serving, "--host", "0.0.0.0", "--port", port)


def test_an_address_that_is_not_this_machines_is_a_mistake(serving):
    # Of the block that RFC 5737 keeps for documents.
    assert "of 192.0.2.7 cannot be opened" in refused(serving, "--host", "192.0.2.7")
    assert "--host 1.2.3.4.5 is no address" in refused(serving, "--host", "1.2.3.4.5")


def test_a_certificate_without_its_key_is_a_mistake(serving, tmp_path):
    free = ("--port", str(free_ports(1)[0]), "--grpc-port", "0")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    assert "go together" in refused(serving, *free, "--tls-cert", cert)
    both = (*free, "--tls-cert", cert, "--tls-key", key)
    cert.write_text("-----BEGIN CERTIFICATE-----")
    assert f"--tls-key {key} cannot be read: No such file" in refused(serving, *both)
    key.write_text("no key")
    assert "no certificate with its key" in refused(serving, *both)


def test_what_does_not_go_together_is_a_mistake(serving, tmp_path):
    assert "exclude each other" in refused(serving, "--output", tmp_path)
    assert "go with --log-requests" in refused(serving, "--sample", "0.5")
    assert "must differ" in refused(serving, "--port", "8081")
    assert "cannot stand in a URL" in refused(serving, "--name", "a/b")
    (tmp_path / "file").touch()
    log = ("--port", "18999", "--grpc-port", "0", "--log-requests", tmp_path / "file" / "log")
    assert "cannot be written" in refused(serving, *log)


def test_the_environment_is_whole_when_it_bears_the_mark_of_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(environment, "_MARK", tmp_path / "mark")
    (tmp_path / "uv.lock").write_text("versions")
    assert not environment.is_set_up()
    (tmp_path / "python").touch()
    assert not environment.is_set_up()
    (tmp_path / "mark").write_text(hashlib.sha256(b"versions").hexdigest() + "\n")
    assert environment.is_set_up()
    (tmp_path / "uv.lock").write_text("other versions")
    assert not environment.is_set_up()


def test_without_uv_the_message_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_UV", tmp_path / "uv")
    with pytest.raises(environment.UserError, match=r"make.* serve-setup"):
        environment.set_up()


def test_warm_up_requests_are_read_as_tensorflow_serving_wrote_them(tmp_path):
    (tmp_path / WARM_UP).parent.mkdir()
    logs = list(written("digits", side=16))
    with tf.io.TFRecordWriter(str(tmp_path / WARM_UP)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    found = list(warm_up_requests(tmp_path))
    assert len(found) == len(logs) == 12
    for (signature, inputs), log in zip(found, logs, strict=True):
        request = log.predict_log.request
        assert signature == request.model_spec.signature_name
        assert inputs.keys() == request.inputs.keys()
        for name, tensor in request.inputs.items():
            assert inputs[name].numpy().tolist() == tf.make_ndarray(tensor).tolist()
    assert list(warm_up_requests(tmp_path / "none")) == []


def test_a_model_without_a_card_has_no_name(tmp_path):
    assert name_of(tmp_path) == ""
    card = tmp_path / "assets.extra" / "model_card.json"
    card.parent.mkdir()
    for text in ("", "[]", '{"model": 3}', '{"model": {}}'):
        card.write_text(text)
        assert name_of(tmp_path) == ""
    card.write_text('{"model": {"name": "flowers"}}')
    assert name_of(tmp_path) == "flowers"


def constant_model(folder, probability, **outputs):
    """A model with the outputs of the contract, that answers the same whatever it is asked."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def predict(image_bytes):
        rows = tf.shape(image_bytes)[0]
        return {
            "probabilities": tf.fill([rows, 2], probability),
            "class_index": tf.zeros([rows], tf.int64),
            "class_name": tf.fill([rows], "a"),
            "valid": tf.fill([rows], True),
            "error": tf.fill([rows], ""),
            **outputs,
        }

    @tf.function(input_signature=[])
    def labels():
        return {"labels": tf.constant(["a", "b"])}

    signatures = {"predict_image": predict, "labels": labels}
    tf.saved_model.save(module, str(folder), signatures)


def test_the_switch_takes_the_highest_that_may_be_loaded_and_loads(tmp_path, caplog):
    constant_model(tmp_path / "3", 0.25)
    constant_model(tmp_path / "4", 0.5)
    (tmp_path / "5").mkdir()
    constant_model(tmp_path / "6", 0.75)

    @contextlib.contextmanager
    def admission(folder):
        if folder.name == "6":
            raise NotAdmittedError("it is not signed")
        yield folder

    seen = []
    switch = Switch(tmp_path, admission, seen.append)
    assert switch.look()
    assert seen == [4]
    assert switch.failures.keys() == {5, 6}
    assert "version 6 cannot be loaded: it is not signed" in caplog.text
    assert switch.answer([b""]).rows()[0]["probabilities"] == [0.5, 0.5]
    # What failed is not tried again at once, and what answers is not loaded anew.
    assert switch.look()
    assert seen == [4]
    (tmp_path / "4").rename(tmp_path / "rolled-back")
    switch.look()
    assert switch.answer([b""]).version == 3
    (tmp_path / "rolled-back").rename(tmp_path / "7")
    switch.look()
    assert seen == [4, 3, 7]
    for name in ("3", "5", "6", "7"):
        (tmp_path / name).rename(tmp_path / f"gone-{name}")
    caplog.clear()
    assert switch.look()
    assert switch.look()
    assert switch.answer([b""]).version == 7
    assert switch.failures == {}
    (said,) = caplog.messages
    assert said.startswith(f"version 7 is no longer in {tmp_path}: it answers from memory")
    # The folder itself goes, and comes back with another version.
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    assert switch.look()
    constant_model(tmp_path / "8", 0.125)
    assert switch.look()
    assert switch.answer([b""]).version == 8


def of_one_function(folder, name, function, spec):
    """A model whose one signature is `function`."""
    module = tf.Module()
    module.call = tf.function(function)
    signatures = {name: module.call.get_concrete_function(spec)}
    tf.saved_model.save(module, str(folder), signatures)


def test_a_model_that_is_not_ours_is_refused_by_what_it_lacks(tmp_path):
    def probabilities(image_bytes):
        return {"probabilities": tf.zeros([1, 2])}

    encoded = tf.TensorSpec([None], tf.string, "image_bytes")
    of_one_function(tmp_path / "1", "predict_image", probabilities, encoded)
    numbers = tf.TensorSpec([None, 4], tf.float32, "x")
    of_one_function(tmp_path / "2", "serving_default", lambda x: {"y": 2 * x}, numbers)
    renamed = tf.TensorSpec([None], tf.string, "image")
    of_one_function(
        tmp_path / "3", "predict_image", lambda image: {"probabilities": image}, renamed
    )
    constant_model(tmp_path / "4", tf.constant(0.5, tf.float64))
    constant_model(tmp_path / "5", 0.5)
    (tmp_path / "5" / "saved_model.pb").write_bytes(b"cut")
    constant_model(tmp_path / "6", 0.5)
    (tmp_path / "6" / WARM_UP).parent.mkdir()
    (tmp_path / "6" / WARM_UP).write_bytes(100 * b"cut")
    (tmp_path / "7").touch()
    switch = Switch(tmp_path)
    assert not switch.look()
    said = {
        1: "its predict_image lacks the output class_index; train it again",
        2: "it has no signature predict_image (it has serving_default): this server is for",
        3: "its predict_image lacks the input image_bytes; train it again",
        4: "the output probabilities of its predict_image is float64, and not float32",
        5: f"TensorFlow {tf.__version__} cannot load {tmp_path / '5'}: Cannot parse file",
        6: f"its warm-up requests, {WARM_UP}, cannot be answered: ",
        7: f"TensorFlow {tf.__version__} cannot load {tmp_path / '7'}: SavedModel file does not",
    }
    assert switch.failures.keys() == said.keys()
    for number, beginning in said.items():
        assert switch.failures[number].startswith(beginning)


def test_what_failed_waits_for_its_time():
    assert in_order([1, 3, 2], {3: 10.0}, now=5.0) == [2, 1]
    assert in_order([1, 3, 2], {3: 10.0}, now=10.0) == [3, 2, 1]


def test_a_folder_in_an_object_store_is_followed_too(store):
    serving = as_path(f"{store}/serving")
    constant_model(serving / "3", 0.25)
    # Whatever a push has not finished: it has no saved_model.pb yet.
    (serving / "4" / "variables").mkdir(parents=True)
    switch = Switch(serving)
    assert switch.look()
    assert switch.answer([b""]).version == 3
    assert switch.failures == {}
    constant_model(serving / "4", 0.5)
    switch.look()
    assert switch.answer([b""]).version == 4
