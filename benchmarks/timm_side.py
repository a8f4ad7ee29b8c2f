"""timm's resnetv2_50x1_bit under torch, one image a request: the other side of `benchmarks.timm`.

    PYTHON_WITH_TORCH benchmarks/timm_side.py WEIGHTS.npz IMAGES.npy ANSWERS.npy

It reads a line for each request that it is to make, and answers with its seconds, on the clock and
of all cores. Nothing of ours can be imported here.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main(weights: str, images: str, answers: str) -> None:
    """Asks once and writes the logits; then a request a line."""
    import timm
    import torch

    pixels = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2).contiguous() * 2 - 1
    with np.load(weights) as found:
        classes = found["resnet/head/conv2d/bias"].size
    model = timm.create_model("resnetv2_50x1_bit", num_classes=classes)
    model.load_pretrained(weights)
    model.eval()
    with torch.inference_mode():
        np.save(answers, torch.softmax(model(pixels), 1).numpy())
        print(f"torch {torch.__version__}, timm {timm.__version__}", flush=True)
        for _ in sys.stdin:
            started, cores = time.perf_counter(), time.process_time()
            torch.softmax(model(pixels), 1).numpy()
            print(time.perf_counter() - started, time.process_time() - cores, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
