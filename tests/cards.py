"""A model's card with a hostile class name, and a reader of its Markdown."""

from markdown_it import MarkdownIt

from components.evaluator.gates import OVERALL, Measured, compare
from components.pusher.card import Evidence, make_card
from components.pusher.settings import BackboneFacts, CardSettings, CodeFacts, DataFacts

EVIL = "a|b\n# c `d` <img src=x> [x](http://y) *e* __f__ &amp; www.g.org h@i.org \\"
ONE_LINE = EVIL.replace("\n", " ")
ROWS = (
    {"epoch": 1, "accuracy": 0.5, "val_loss": 2.0, "restored": 0},
    {"epoch": 2, "accuracy": 0.7, "val_loss": 1.0, "restored": 1},
    {"epoch": 3, "accuracy": 0.9, "val_loss": None, "restored": 0},
)
METRICS = {
    OVERALL: {
        "accuracy": Measured(0.9875, 0.97, 1.0, 80),
        "loss": Measured(0.05, None, None, 80),
        "example_count": Measured(80.0, count=80),
    },
    ("label", "0"): {"accuracy": Measured(1.0, 0.9, 1.0, 30)},
    ("label", "1"): {"accuracy": Measured(0.98, None, None, 50)},
    ("image_side", "8"): {"accuracy": Measured(0.5, None, None, 2)},
}
BASELINE = {
    OVERALL: {"accuracy": Measured(0.95, count=80)},
    ("label", "1"): {"accuracy": Measured(0.75, count=50)},
}


def settings(**changed):
    values = {
        "pipeline": "flowers",
        "run_id": "2026-11-25",
        "split": "eval",
        "data": DataFacts(
            name="tf_flowers/3.0.1",
            splits={"train": "train[:85%]", "eval": "train[85%:]"},
            fingerprint="f" * 64,
            class_names=("rose", EVIL),
        ),
        "preprocessing": {"resize": 400, "crop": None, "evaluate": 384, "flip": True},
        "backbone": BackboneFacts(
            handle="/data/a`b|c", sha256="b" * 64, licence="Apache-2.0", mode="head_only"
        ),
        "code": CodeFacts(
            steps={"Trainer": "c" * 64},
            image="registry/bit@sha256:1",
            commit="d" * 40,
            libraries={"python": "3.10.1", "tfx": "1.16.0"},
        ),
        "training": {"schedule": {"steps": 40, "boundaries": [30]}, "epochs": None, "seed": 3},
    }
    return CardSettings(**{**values, **changed})


def evidence(**changed):
    values = {
        "counts": {"train": 3_120, "eval": 80},
        "history": ROWS,
        "trained": {"plan": {"patience": 2}},
        "metrics": METRICS,
        "baseline": BASELINE,
        "gates": (
            compare("evaluation.min_accuracy", "accuracy", 0.9875, 0.95),
            compare("evaluation.min_class_accuracy", f"accuracy of class {EVIL!r}", 0.98, 0.9),
        ),
    }
    return Evidence(**{**values, **changed})


def card(told=None, left=None):
    return make_card(
        told or settings(), left or evidence(), 1_795_552_377, "2026-11-25T10:00:00+00:00"
    )


def data(**changed):
    return settings(data=settings().data.model_copy(update=changed))


class Page:
    """A card's Markdown as a reader of CommonMark with GitHub's tables takes it."""

    def __init__(self, text):
        self.tokens = MarkdownIt("commonmark").enable("table").parse(text)
        self.cells = [self._text(i) for i in self._after({"td_open", "th_open"})]
        self.items = [self._text(i + 1) for i in self._after({"list_item_open"})]
        self.headings = [self._text(i) for i in self._after({"heading_open"})]
        self.kinds = {token.type for token in self.tokens}
        for token in self.tokens:
            self.kinds |= {child.type for child in token.children or ()}

    def _after(self, kinds):
        return [i + 1 for i, token in enumerate(self.tokens) if token.type in kinds]

    def _text(self, index):
        return "".join(child.content for child in self.tokens[index].children)

    def beside(self, text):
        """The cells that follow one, to the end of its row or further."""
        at = self.cells.index(text)
        return self.cells[at + 1 : at + 5]


CALL = """\
import io, json, sys, tensorflow as tf
from PIL import Image
card, stream = json.loads(sys.argv[2]), io.BytesIO()
Image.new("L", (8, 8)).save(stream, "PNG")
feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[stream.getvalue()]))
example = tf.train.Example(features=tf.train.Features(feature={"image": feature}))
given = {"image_bytes": [stream.getvalue()], "examples": [example.SerializeToString()]}
model = tf.saved_model.load(sys.argv[1])
assert set(model.signatures) == {each["name"] for each in card["signatures"]}
for each in card["signatures"]:
    side = card["preprocessing"]["evaluate"]
    given["pixels"] = tf.zeros((1, side, side, 3))
    arguments = {name: tf.constant(given[name]) for name in each["inputs"]}
    outputs = model.signatures[each["name"]](**arguments)
    assert outputs.keys() == each["outputs"].keys()
    for name, kind in each["outputs"].items():
        first = ["N"] if each["inputs"] else [str(outputs[name].shape[0])]
        shape = ", ".join(first + [str(side) for side in outputs[name].shape[1:]])
        assert kind.startswith(f"{outputs[name].dtype.name} [{shape}]"), (name, kind)
    names = outputs["class_name" if each["inputs"] else "labels"].numpy()
    assert {name.decode() for name in names} <= set(card["data"]["class_names"])
"""
"""Program that calls a model as its card says: arguments are its folder and the card."""
