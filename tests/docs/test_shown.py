"""What the documents show is what the product makes."""

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from components.process import ROOT
from pipeline.config import load_config
from pipeline.inputs.fit import fit
from pipeline.inputs.photos import look
from pipeline.inputs.starter import starter_yaml
from pipeline.shipped import preset_names
from tests.docs.blocks import blocks, prose

TUTORIAL = ROOT / "docs" / "tutorial"


def test_the_configuration_of_the_readme_is_the_preset(tmp_path):
    (block,) = blocks(ROOT / "README.md", "yaml")
    file = tmp_path / "readme.yaml"
    file.write_text(block.text)
    assert load_config(file=str(file)) == load_config("cifar10")


def test_the_starter_is_what_init_writes(tmp_path, monkeypatch):
    for name in ("owl", "robin", "wren"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(1, 31):
            image = Image.new("RGB", (640, 480), (number, 0, 0))
            image.save(tmp_path / "photos" / name / f"{number}.jpg")
    monkeypatch.setenv("PATH", str(ROOT / ".venv" / "bin"))
    photos = look(str(tmp_path / "photos"))
    shipped, chosen = blocks(TUTORIAL / "own-photographs.md", "yaml")
    fitted = fit(photos, in_reach=lambda url: False)
    written = starter_yaml(fitted, tmp_path / "photos.yaml")
    assert (
        written.replace(f"{tmp_path}/photos.yaml", "photos.yaml").replace(
            str(tmp_path), "/home/you"
        )
        == shipped.text
    )
    values = fit(photos, in_reach=lambda url: True).values
    assert YAML(typ="safe").load(chosen.text) == {
        key: values[key] for key in ("backbone", "training")
    }
    assert values.keys() == fitted.values.keys() - {"preprocessing"}
    assert values["evaluation"] == fitted.values["evaluation"]


def test_the_image_of_the_first_run_is_a_scan_of_a_seven(tmp_path, monkeypatch):
    from sklearn.datasets import load_digits

    (block,) = (b for b in blocks(TUTORIAL / "first-run.md", "python") if "load_digits" in b.text)
    monkeypatch.chdir(tmp_path)
    exec(block.text, {})
    pixels = np.asarray(Image.open("seven.png"))
    scans = load_digits()
    assert scans.target[7] == 7
    assert np.abs(pixels / 255 * 16 - scans.images[7]).max() < 0.05


def test_a_preset_of_tfds_names_the_version_that_is_installed():
    """A newer one has other images; an older one cannot be prepared."""
    import tensorflow_datasets as tfds

    for name in preset_names():
        data = load_config(name).data
        if data.name != "digits":
            assert data.version == str(tfds.builder_cls(data.name).VERSION), name


def test_the_first_run_names_every_step():
    from pipeline.steps import steps_of

    page = prose(TUTORIAL / "first-run.md")
    assert [step for step in steps_of(load_config("digits")) if step not in page] == []
