"""The telling line of an error."""

import pytest
import tensorflow as tf

from pipeline.gist import gist


def test_of_tensorflow_it_is_what_went_wrong_and_not_where():
    images = tf.data.Dataset.from_tensors(b"no image").map(tf.io.decode_image)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        next(iter(images))
    assert "Unknown image file format" in gist(error.value)
    text = (
        "Graph execution error:\n\nDetected at node map/while/decode_image/DecodeImage defined at "
        "(most recent call last):\n<stack traces unavailable>\nUnknown image file format. One of "
        "JPEG, PNG, GIF, BMP required.\n\t [[{{node map}}]]\n [while running 'Run[Trainer]']"
    )
    assert gist(ValueError(text)) == (
        "ValueError: Unknown image file format. One of JPEG, PNG, GIF, BMP required."
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("no disk [while running 'Run[Trainer]']"), "RuntimeError: no disk"),
        (KeyError(), "KeyError"),
        (OSError("\n  \nfirst\nsecond"), "OSError: first"),
        (ValueError("Traceback"), "ValueError: Traceback"),
    ],
)
def test_of_others_it_is_the_first_line(error, text):
    assert gist(error) == text
