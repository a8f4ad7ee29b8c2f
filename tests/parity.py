"""Records with a number for an image, and SavedModels that tell whether it is odd."""

import json

import tensorflow as tf
from tfx.types.standard_artifacts import Examples, Model

from components.example_gen.counts import SplitCounts, set_counts

BATCH = 16
COUNT = 100
NAMES = ("even", "odd", "never")


class Parity(tf.Module):
    """Knows the label by the image's one byte; refuses a batch that is too large."""

    def __init__(self, wrong, broken=0):
        super().__init__()
        self._wrong = wrong
        self._broken = broken

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, examples):
        tf.debugging.assert_less_equal(tf.size(examples), BATCH, "the batch is too large")
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        image = tf.io.parse_example(examples, spec)["image"]
        number = tf.cast(tf.io.decode_raw(image, tf.uint8)[:, 0], tf.int32)
        index = tf.where(number < self._wrong, 1 - number % 2, number % 2)
        probabilities = tf.one_hot(index, 3) * 0.7 + 0.1
        broken = (number < self._broken)[:, tf.newaxis]
        probabilities = tf.where(broken, float("nan"), probabilities)
        return {"probabilities": probabilities, "class_index": index}


def write_model(folder, wrong, broken=0):
    """A Model artifact in `folder`, wrong on as many of the first images."""
    artifact = Model()
    artifact.uri = str(folder)
    artifact.id = wrong + 1
    module = Parity(wrong, broken)
    tf.saved_model.save(
        module, f"{artifact.uri}/Format-Serving", signatures={"serving_default": module.serve}
    )
    return artifact


def write_examples(folder, order=range(COUNT)):
    """An Examples artifact in `folder` with `COUNT` records in eval, none in train."""
    artifact = Examples()
    artifact.uri = str(folder)
    artifact.split_names = json.dumps(["train", "eval", "empty"])
    artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    artifact.set_string_custom_property("file_format", "tfrecords_gzip")
    counts = {"eval": COUNT, "train": 0}
    set_counts(artifact, {split: SplitCounts(count, count) for split, count in counts.items()})
    for split, count in counts.items():
        tf.io.gfile.makedirs(f"{artifact.uri}/Split-{split}")
        path = f"{artifact.uri}/Split-{split}/data-00000-of-00001.gz"
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for number in order if count else ():
                camera = b"right" if number % 4 > 1 else b"left"
                features = {
                    "camera": tf.train.Feature(bytes_list=tf.train.BytesList(value=[camera])),
                    "image": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[bytes([number])])
                    ),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    return artifact
