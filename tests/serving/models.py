"""Served models that differ: one small training, and its head made steeper."""

import json
import shutil
from pathlib import Path

import tensorflow as tf

from components.model_check.warm_up import warm_up_requests
from components.pusher.signature import sign
from components.pusher.versions import CARD_JSON, WARM_UP, add_version
from components.trainer.train import train
from tests.components.trainer.jobs import CLASSES, make_job, write_examples, write_graph


def trained(folder):
    """A served model of the digits, after six steps."""
    write_examples(folder)
    write_graph(folder)
    train(make_job(folder, "whole", schedule={"steps": 6, "boundaries": [4]}))
    return Path(folder, "whole", "model")


def steeper(model, target, factor):
    """The same model with the kernel of its head times `factor`: other probabilities."""
    shutil.copytree(model, target)
    prefix = str(model / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    names, tensors = sorted(reader.get_variable_to_shape_map()), []
    for name in names:
        value = reader.get_tensor(name)
        is_head = getattr(value, "ndim", 0) == 2 and value.shape[1] == len(CLASSES)
        tensors.append(tf.constant(value * factor if is_head else value))
    shutil.rmtree(target / "variables")
    (target / "variables").mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(target / "variables" / "variables"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=tensors,
    )
    return target


def push(model, serving, now, name="digits", key=None):
    """As the Pusher does, with a card and warm-up requests; returns the version's number.

    With a private key the version is signed.
    """
    file = serving.parent / "warm_up"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in warm_up_requests(name, side=24):
            writer.write(log.SerializeToString())
    requests = file.read_bytes()

    def extras(version):
        card = {"model": {"name": name, "version": int(version.name)}}
        return {CARD_JSON: json.dumps(card).encode(), WARM_UP: requests}

    signed = None if key is None else lambda version: sign(version, key)
    return int(add_version(model, serving, now=now, extras=extras, sign=signed).name)


def direct(model, images):
    """Probabilities of `predict_image`, called in this process."""
    signature = tf.saved_model.load(str(model)).signatures["predict_image"]
    return signature(image_bytes=tf.constant(images))["probabilities"].numpy()
