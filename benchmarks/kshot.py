"""K-shot on digits: what pre-training is worth, bit-mini against its random twin.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.kshot

K scans of each class, drawn by ImageExampleGen (`data.examples_per_class`), trained by the whole
Trainer and judged on the 270 scans of the eval split; another seed draws other scans. The twin is
the network that bit-mini was before it was pre-trained. Both are trained alike: the digits preset's
rate and its 288 steps, batches of min(64, 10 K), the last weights, no early stopping.

Writes the table and docs/images/kshot.png.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import jobs
from benchmarks.measure import ROOT, Figures, arguments, conditions, differences, table, tell

NETWORKS = {"pretrained": "bit-mini", "random": "random twin"}
MODES = {"full": "the whole network is trained", "head_only": "the head alone is trained"}
SHOTS = (1, 5, 10, 25)
RATE = 0.025
"""Of a step, whatever the batch; the preset's."""
STEPS, BOUNDARIES = 288, (192, 240)
LARGEST_BATCH = 64
MARKERS = ("<!-- kshot: begin -->", "<!-- kshot: end -->")


def export_twin(folder: Path) -> str:
    """Writes the module that bit-mini was before `pretrain`."""
    from components.backbone.architecture import BIT_MINI
    from components.backbone.bit import BiT, export_hub_module
    from components.backbone.bit_mini.pretrain import SEED

    export_hub_module(BiT(BIT_MINI, SEED), str(folder))
    return str(folder)


def overrides(shots: int, seed: int, mode: str, handle: str, part: float) -> list[str]:
    """The digits preset for so many scans a class; `part` of its steps."""
    batch = min(LARGEST_BATCH, 10 * shots)
    steps, *boundaries = (round(part * number) for number in (STEPS, *BOUNDARIES))
    return [
        f"data.examples_per_class={shots}",
        f"data.examples_seed={seed}",
        f"backbone.handle={handle}",
        f"backbone.mode={mode}",
        f"training.batch_size={batch}",
        f"training.base_learning_rate={RATE * 512 / batch}",
        f"training.schedule={{steps: {steps}, boundaries: {boundaries}}}",
        # One look, after the last step.
        f"training.steps_per_epoch={steps}",
        "training.early_stopping_patience=null",
        f"training.seed={seed}",
    ]


def trainings(options: argparse.Namespace, folder: Path) -> Iterator[Figures]:
    """One by one: what was trained, and `accuracy` on the eval split."""
    import tf_keras as keras

    from benchmarks.ours import timed

    jobs.prepare_digits(folder / "tfds")
    handles = {"pretrained": "bit-mini", "random": export_twin(folder / "twin")}
    graph = ""
    for seed in range(options.repeats):
        for shots in options.shots:
            stored = None
            for mode in options.modes:
                for network, handle in handles.items():
                    told = overrides(shots, seed, mode, handle, options.part)
                    config = jobs.preset("digits", folder / "tfds", told)
                    graph = graph or jobs.write_graph(folder / "graph", jobs.sizes_of(config))
                    name = f"{shots}-{seed}"
                    stored = stored or jobs.copy_examples(config.data, folder / name)
                    job = jobs.make_job(config, stored, graph, folder / f"{name}-{mode}-{network}")
                    figures = timed(job)
                    keras.backend.clear_session()
                    found = {"mode": mode, "network": network, "shots": shots, "seed": seed}
                    yield {**found, "accuracy": figures["kept"], **figures}


def accuracies(runs: Sequence[Figures], mode: str, shots: int, network: str) -> list[float]:
    """Of one cell, in the order of the seeds."""
    wanted = (mode, shots, network)
    return [
        run["accuracy"] for run in runs if (run["mode"], run["shots"], run["network"]) == wanted
    ]


def result(runs: Sequence[Figures], mode: str, shots: Sequence[int]) -> str:
    """The table of one mode: means and standard deviations, in per cent."""

    def spread(values: Sequence[float], sign: str = "") -> str:
        mean = f"{100 * statistics.mean(values):{sign}.1f}"
        return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean

    rows = []
    for count in shots:
        mini, twin = (accuracies(runs, mode, count, network) for network in NETWORKS)
        gained = [one - other for one, other in zip(mini, twin, strict=True)]
        rows.append([count, spread(mini), spread(twin), spread(gained, "+")])
    draws = len({run["seed"] for run in runs})
    head = ["scans a class", *(f"{name}, %" for name in NETWORKS.values()), "points gained"]
    return f"{MODES[mode][0].upper()}{MODES[mode][1:]} (n = {draws}):\n\n{table(head, rows)}"


def plot(runs: Sequence[Figures], modes: Sequence[str], target: Path) -> None:
    """Accuracy by K: every draw as a dot, means as lines, a panel a mode."""
    import altair as alt

    rows = [
        {
            "shots": run["shots"],
            "accuracy": run["accuracy"],
            "network": NETWORKS[run["network"]],
            "mode": run["mode"],
        }
        for run in runs
    ]
    shots = sorted({run["shots"] for run in runs})
    colours = alt.Scale(domain=list(NETWORKS.values()), range=["#1f5fa8", "#c8621b"])
    axis = alt.Axis(values=shots, grid=False)
    scale = alt.Scale(type="log", nice=False, domain=[0.8 * shots[0], 1.25 * shots[-1]])
    base: Any = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("shots:Q", title="scans a class", scale=scale, axis=axis),
        color=alt.Color("network:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
    )
    title = "accuracy on 270 held-out scans"
    dots = base.mark_circle(size=32, opacity=0.45).encode(
        y=alt.Y("accuracy:Q", title=title, axis=alt.Axis(format="%"), scale=alt.Scale(zero=False))
    )
    lines = base.mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=70)).encode(
        y="mean(accuracy):Q"
    )
    panels = [
        alt.layer(dots, lines)
        .transform_filter(alt.datum.mode == mode)
        .properties(width=330, height=280, title=MODES[mode])
        for mode in modes
    ]
    chart = alt.hconcat(*panels).resolve_scale(y="shared").configure(background="white")
    chart = chart.configure_axis(labelFontSize=13, titleFontSize=13, titleFontWeight="normal")
    chart = chart.configure_legend(labelFontSize=13).configure_title(fontSize=14)
    target.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(target), scale_factor=2)


def main() -> None:
    """Trains all, and writes table and plot."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--shots", type=int, nargs="+", default=list(SHOTS))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--part", type=float, default=1.0, help="of the steps, for a quick try")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "images" / "kshot.png")
    parser.add_argument("--markdown", type=Path, default=ROOT / "benchmarks" / "kshot.md")
    options = parser.parse_args()
    before, runs, ends = conditions(), [], [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        for run in trainings(options, Path(folder)):
            runs.append(run)
            ends.append(time.perf_counter())
            what = " ".join(str(run[name]) for name in ("mode", "network", "shots", "seed"))
            print(f"{what}: {run['accuracy']:.4f}, {differences(ends)[-1]:.1f} s", file=sys.stderr)
    minutes = (ends[-1] - ends[0]) / 60
    fit, export = (sum(run[name] for run in runs) / 60 for name in ("fit_s", "export_s"))
    text = "\n\n".join(result(runs, mode, options.shots) for mode in options.modes)
    options.markdown.write_text(f"{MARKERS[0]}\n{text}\n{MARKERS[1]}\n", encoding="utf-8")
    plot(runs, options.modes, options.plot)
    spent = f"{len(runs)} trainings in {minutes:.1f} min: fitting {fit:.1f}, export {export:.1f}"
    tell(options, before, f"{text}\n\n{spent}", runs)


if __name__ == "__main__":
    main()
