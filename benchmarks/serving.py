"""What a served model's answers cost over its network: one request after the other, in turns.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.serving --model runs/digits/serving/1

`predict_image` against decoding and resizing the same images and asking `predict_pixels`, which is
what a client would do without it; and with one image of a request that cannot be decoded.
"""

from __future__ import annotations

import tensorflow as tf

from benchmarks.encoded import KINDS, images, in_turns
from benchmarks.measure import arguments, conditions, table, tell
from components.transform.config import WHITE
from components.transform.preprocessing import decode_and_resize

BATCHES = (1, 16, 64)
BAD = b"\xff\xd8\xff\xe0 no image"


def main() -> None:
    """Measures, and prints a table."""
    parser = arguments(__doc__, repeats=100)
    parser.add_argument("--model", required=True, help="folder of a pushed version")
    options = parser.parse_args()
    before = conditions()
    model = tf.saved_model.load(options.model)
    by_image, by_pixels = (model.signatures[f"predict_{name}"] for name in ("image", "pixels"))
    side = by_pixels.structured_input_signature[1]["pixels"].shape[1]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def decode(encoded: tf.Tensor) -> tf.Tensor:
        return decode_and_resize(encoded, side, WHITE)[0]

    rows, raw = [], []
    for kind in KINDS:
        for batch in BATCHES:
            encoded = images(kind, batch)
            given, spoiled = tf.constant(encoded), tf.constant([*encoded[:-1], BAD])
            pixels = decode(given)
            sides = (
                lambda pixels=pixels: by_pixels(pixels=pixels),
                lambda given=given: decode(given),
                lambda given=given: by_pixels(pixels=decode(given)),
                lambda given=given: by_image(image_bytes=given),
                lambda spoiled=spoiled: by_image(image_bytes=spoiled),
            )
            in_turns(sides, 5)
            network, decoding, both, ours, bad = in_turns(sides, max(10, options.repeats // batch))
            raw.append([kind, batch, network, decoding, both, ours, bad])
            shown = (f"{1_000 * each:.2f} ms" for each in (network, decoding, both, ours, bad))
            rows.append([kind, batch, *shown, f"{ours / both:.3f}", f"{bad / both:.3f}"])
    header = ["images", "batch", "network", "decode", "both", "predict_image", "one bad"]
    text = table([*header, "ratio", "ratio, one bad"], rows)
    tell(options, before, text, raw)


if __name__ == "__main__":
    main()
