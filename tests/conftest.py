"""What every test stands on: Keras 2, a data folder of its own, small real data and networks."""

import contextlib
import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import pytest
from hypothesis import HealthCheck, settings

# A busy machine fails no property test. Each run draws other examples, and prints the line that
# draws a failed one again. CI draws the same ones: whether a change lands is not left to chance.
settings.register_profile(
    "ours",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ours")


def pytest_sessionfinish(session):
    """With NO_SKIPS, as in CI, a test that was skipped is a failure: its package is missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def tfds_dir(tmp_path_factory):
    """A tfds data folder with digits prepared in it."""
    import tensorflow_datasets as tfds

    from components.example_gen.sources import digits as _digits  # noqa: F401

    folder = tmp_path_factory.mktemp("tfds")
    tfds.builder("digits", data_dir=str(folder)).download_and_prepare()
    return folder


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory):
    """A BiT of one narrow unit, exported as the shipped one is."""
    from components.backbone.architecture import Architecture
    from components.backbone.bit import BiT, export_hub_module

    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    architecture = Architecture(depths=(1,), widths=(4,), root_channels=4, groups=2)
    export_hub_module(BiT(architecture, seed=1), str(folder))
    return folder


@pytest.fixture(scope="session")
def untrainable_backbone(tmp_path_factory):
    """A SavedModel as a bare tf.Module writes it: it runs, and lists nothing to train."""
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable(tf.ones((3, 4)))
    images = tf.TensorSpec((None, None, None, 3), tf.float32)
    module.__call__ = tf.function(
        lambda x: tf.reduce_mean(x, (1, 2)) @ module.kernel, input_signature=[images]
    )
    folder = tmp_path_factory.mktemp("backbone") / "bare"
    tf.saved_model.save(module, str(folder))
    return folder


@pytest.fixture
def store(monkeypatch):
    """An empty object store, by its URI: TensorFlow's file system in memory."""
    import tensorflow as tf

    from tests import ram

    ram.take_ram_for_a_store(monkeypatch)
    tf.io.gfile.makedirs(ram.URI)
    yield ram.URI
    tf.io.gfile.rmtree(ram.URI)


@pytest.fixture
def as_nobody():
    """Within it the process has no right but those of everybody, even where root runs the tests."""

    @contextlib.contextmanager
    def enter(folder):
        opened = {path: path.stat().st_mode for path in folder.parents}
        own = os.geteuid()
        for path, mode in opened.items():
            if own == path.stat().st_uid:
                path.chmod(mode | 0o111)
        if own == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(own)
            for path, mode in opened.items():
                if own == path.stat().st_uid:
                    path.chmod(mode)

    return enter


@pytest.fixture
def folder(tmp_path):
    """The log folder of one run on this disk."""
    from pipeline.run.layout import Layout
    from pipeline.run.run_folder import RunFolder

    return RunFolder(Layout(tmp_path), "run-1")
