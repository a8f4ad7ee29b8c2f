"""Small real trainings: digits as examples, a transform graph, and what a Trainer is told."""

import functools
import io

from components.backbone.config import SHIPPED
from components.trainer.config import TrainingConfig
from components.trainer.settings import Job, TrainerSettings
from components.transform.config import ImageSizes

CLASSES = tuple("0123456789")


def png(index):
    """The encoded scan with this number."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray((_scans().images[index] * 15.9).astype("uint8")).save(stream, "PNG")
    return stream.getvalue()


def write_examples(folder, train=range(100), evaluation=range(100, 133)):
    """Two splits as ImageExampleGen leaves them."""
    import tensorflow as tf

    for name, indices in (("train", train), ("eval", evaluation)):
        with tf.io.TFRecordWriter(f"{folder}/{name}.gz", "GZIP") as writer:
            for index in indices:
                image = tf.train.BytesList(value=[png(index)])
                label = tf.train.Int64List(value=[_scans().target[index]])
                features = {
                    "image": tf.train.Feature(bytes_list=image),
                    "label": tf.train.Feature(int64_list=label),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def write_graph(folder, resize=24, evaluate=24):
    """A transform graph for them."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

    from components.transform.preprocessing import preprocessing_fn

    spec = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    function = functools.partial(
        preprocessing_fn,
        custom_config={"resize": resize, "evaluate": evaluate, "background": (255, 255, 255)},
    )
    with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(f"{folder}/tmp"):
        data = pipeline | beam.Create([{"image": png(0), "label": 0}]), metadata
        _, graph = data | tft_beam.AnalyzeAndTransformDataset(function)
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
    metadata_io.write_metadata(metadata, f"{folder}/graph/metadata")


def make_job(
    folder,
    name,
    *,
    mode="full",
    crop=None,
    flip=False,
    evaluate=24,
    counts=(100, 33),
    backbone=None,
    **training,
):
    """What a Trainer is told; six steps, a look after each, unless `training` says otherwise.

    `backbone` is the folder of another one than bit-mini.
    """
    told = {
        "batch_size": 32,
        "base_learning_rate": 0.4,
        "schedule": {"steps": 6, "boundaries": [4]},
        "steps_per_epoch": 1,
        **training,
    }
    settings = TrainerSettings(
        backbone_path=str(backbone or SHIPPED["bit-mini"]),
        backbone_sha256="",
        trainable_parameters=None if backbone else 280_920,
        mode=mode,
        class_names=CLASSES,
        sizes=ImageSizes(resize=24, crop=crop, evaluate=evaluate, flip=flip),
        training=TrainingConfig(**told),
        num_train=counts[0],
        num_eval=counts[1],
    )
    return Job(
        settings=settings,
        train_files=[f"{folder}/train.gz"],
        eval_files=[f"{folder}/eval.gz"],
        transform_graph=f"{folder}/graph",
        code="",
        model_run=f"{folder}/{name}/run",
        serving_model=f"{folder}/{name}/model",
        checkpoints=f"{folder}/{name}/checkpoints",
    )


def judge(folder, name, indices=range(100, 133)):
    """Accuracy and cross-entropy of a pushed model on scans, by NumPy from its probabilities."""
    import numpy as np
    import tensorflow as tf

    served = tf.saved_model.load(f"{folder}/{name}/model")
    images = tf.constant([png(index) for index in indices])
    probabilities = served.signatures["predict_image"](images)["probabilities"].numpy()
    labels = _scans().target[list(indices)]
    right = np.mean(np.argmax(probabilities, axis=1) == labels)
    return right, -np.mean(np.log(probabilities[np.arange(len(labels)), labels]))


def learned(rows):
    """Rows without what a clock says."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "waiting")} for row in rows]


@functools.cache
def _scans():
    from sklearn.datasets import load_digits

    return load_digits()
