"""BiT in NumPy, independent of our class: what is ported or rebuilt is held against it."""

import numpy as np

from components.backbone.architecture import Architecture

TWO_STAGES = Architecture(depths=(2, 1), widths=(4, 8), root_channels=4, groups=2)


class NumpyBiT:
    """BiT's forward pass in loops and NumPy, in float64, from the paper and its PyTorch code."""

    def __init__(self, weights, groups):
        self.weights = {name: np.asarray(w, np.float64) for name, w in weights.items()}
        self.groups = groups

    def conv(self, x, name, stride=1):
        w = self.weights[f"{name}/standardized_conv2d/kernel"]
        w = (w - w.mean((0, 1, 2))) / np.sqrt(w.var((0, 1, 2)) + 1e-10)
        size = w.shape[0]
        x = np.pad(x, [(0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)])
        rows = range(0, x.shape[1] - size + 1, stride)
        columns = range(0, x.shape[2] - size + 1, stride)
        patches = [[x[:, r : r + size, c : c + size] for c in columns] for r in rows]
        return np.stack(
            [
                np.stack([np.tensordot(p, w, ([1, 2, 3], [0, 1, 2])) for p in row], 1)
                for row in patches
            ],
            1,
        )

    def norm(self, x, name):
        n, h, w, c = x.shape
        g = x.reshape(n, h * w, self.groups, c // self.groups)
        g = (g - g.mean((1, 3), keepdims=True)) / np.sqrt(g.var((1, 3), keepdims=True) + 1e-5)
        return g.reshape(x.shape) * self.weights[f"{name}/gamma"] + self.weights[f"{name}/beta"]

    def pool(self, x):
        x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        rows, columns = range(0, x.shape[1] - 2, 2), range(0, x.shape[2] - 2, 2)
        return np.stack(
            [np.stack([x[:, r : r + 3, c : c + 3].max((1, 2)) for c in columns], 1) for r in rows],
            1,
        )

    def units(self):
        """(name, stride, whether it projects) of every unit, from the names alone."""
        names = sorted({"/".join(name.split("/")[:2]) for name in self.weights if "block" in name})
        for name in names:
            if name.startswith("block"):
                first = name.endswith("unit01")
                yield name, 2 if first and not name.startswith("block1") else 1, first

    def __call__(self, images):
        x = self.pool(self.conv(images * 2 - 1, "root_block", 2))
        for name, stride, projects in self.units():
            y = np.maximum(self.norm(x, f"{name}/a/group_norm"), 0)
            shortcut = self.conv(y, f"{name}/a/proj", stride) if projects else x
            y = self.conv(y, f"{name}/a")
            y = self.conv(np.maximum(self.norm(y, f"{name}/b/group_norm"), 0), f"{name}/b", stride)
            y = self.conv(np.maximum(self.norm(y, f"{name}/c/group_norm"), 0), f"{name}/c")
            x = y + shortcut
        return np.maximum(self.norm(x, "group_norm"), 0).mean((1, 2))
