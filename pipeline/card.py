"""What a run gives to a model's card.

`pipeline.pipeline` gives them to the Pusher:

    from pipeline.card import card_settings

    settings = card_settings(config, inputs, run_id="20261130-101500-000000")
    pusher = VersionedPusher(channels, serving, settings, inputs.code["Pusher"])
"""

from __future__ import annotations

from components.pusher.settings import BackboneFacts, CardSettings, CodeFacts, DataFacts
from pipeline.config import Config, dump_config
from pipeline.inputs.code import library_versions
from pipeline.inputs.resolve import Inputs


def card_settings(config: Config, inputs: Inputs, run_id: str) -> CardSettings:
    """The configuration, and the sources that are no artifacts."""
    sections, source, backbone = dump_config(config), inputs.source, inputs.backbone
    image, commit = inputs.image
    return CardSettings(
        pipeline=config.pipeline_name,
        run_id=run_id,
        split=config.evaluation.split,
        data=DataFacts(
            name=source.full_name,
            splits=source.slices,
            fingerprint=source.fingerprint,
            class_names=source.class_names,
            examples_per_class=sections["data"].get("examples_per_class"),
        ),
        preprocessing={
            **inputs.sizes.model_dump(),
            "background": config.preprocessing.background,
        },
        backbone=BackboneFacts(
            handle=backbone.handle,
            sha256=backbone.sha256,
            licence=backbone.licence,
            mode=config.backbone.mode,
        ),
        code=CodeFacts(steps=inputs.code, image=image, commit=commit, libraries=library_versions()),
        training=sections["training"],
        keep_last=config.push.keep_last,
        min_confidence=config.serving.min_confidence,
        signing_key=config.push.signing_key,
    )
