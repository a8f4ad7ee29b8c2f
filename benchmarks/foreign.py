"""Asks a pushed model as TensorFlow Serving does, in a Python that has TensorFlow and nothing else.

    PYTHON_WITH_A_TENSORFLOW benchmarks/foreign.py MODEL REQUESTS.npz ANSWERS.npz

It loads by the C function of the loader in C++ that TensorFlow Serving calls, then asks a session,
by the names of tensors that the SignatureDefs have. `benchmarks.loads` starts it; nothing else of
ours can be imported here.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def load_in_cc(model: str) -> None:
    """Loads, restores and initialises by `tensorflow::LoadSavedModel`.

    Raises:
      RuntimeError: in TensorFlow's own words.
    """
    import tensorflow as tf

    library = ctypes.CDLL(str(Path(tf.__file__).parent / "libtensorflow_cc.so.2"))
    for name in ("NewStatus", "NewSessionOptions", "NewGraph", "LoadSessionFromSavedModel"):
        getattr(library, f"TF_{name}").restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    status, options, graph = (
        ctypes.c_void_p(made())
        for made in (library.TF_NewStatus, library.TF_NewSessionOptions, library.TF_NewGraph)
    )
    tags = (ctypes.c_char_p * 1)(b"serve")
    library.TF_LoadSessionFromSavedModel(
        options, None, model.encode(), tags, 1, graph, None, status
    )
    if library.TF_GetCode(status):
        raise RuntimeError(library.TF_Message(status).decode())


def ask(model: str, requests: Any) -> dict[str, Any]:
    """Every signature's outputs, as `SIGNATURE/OUTPUT`; "labels" takes nothing.

    Args:
      model: folder of the version.
      requests: arrays by `SIGNATURE/INPUT`.
    """
    import tensorflow as tf

    found = {}
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], model)
        for name, signature in loaded.signature_def.items():
            if name.startswith("__"):
                continue
            fed = {info.name: requests[f"{name}/{key}"] for key, info in signature.inputs.items()}
            fetched = {key: info.name for key, info in signature.outputs.items()}
            for key, value in session.run(fetched, fed).items():
                found[f"{name}/{key}"] = value
    return found


def unknown_ops(model: str) -> tuple[dict[str, Any], list[str]]:
    """What the graph says of itself, and its operations that this TensorFlow does not have."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tensorflow.python.framework import op_def_registry

    (meta,) = SavedModel.FromString(Path(model, "saved_model.pb").read_bytes()).meta_graphs
    graph = meta.graph_def
    functions = {each.signature.name for each in graph.library.function}
    ops = {node.op for node in graph.node}
    ops |= {node.op for each in graph.library.function for node in each.node_def}
    facts = {
        "written_by": meta.meta_info_def.tensorflow_version,
        "producer": graph.versions.producer,
        "min_consumer": graph.versions.min_consumer,
        "ops": len(ops - functions),
    }
    return facts, sorted(op for op in ops - functions if op_def_registry.get(op) is None)


def main(model: str, requests: str, answers: str) -> None:
    """Writes the answers; prints what is known of the graph, and why it does not load."""
    import tensorflow as tf

    facts, unknown = unknown_ops(model)
    said = {**facts, "tensorflow": tf.__version__, "unknown": unknown, "error": ""}
    try:
        load_in_cc(model)
        with np.load(requests, allow_pickle=True) as given:
            np.savez(answers, **ask(model, given))
    # Whatever it is, it is the finding.
    except Exception as error:
        said["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
