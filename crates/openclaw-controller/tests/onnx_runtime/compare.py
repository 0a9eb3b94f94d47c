"""Runs exported policies in ONNX Runtime and compares them with the answers beside them.

Usage: compare.py FOLDER, which holds N.onnx, N.rows and N.answers (numbers of 32 bits, little endian).
"""

import pathlib
import sys

import numpy
import onnx
import onnxruntime

TOLERANCE = 1e-5


def compare(path: pathlib.Path) -> bool:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    keys = [entry.key for entry in model.metadata_props]
    assert keys == ["openclaw-policy"], keys

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    assert (source.name, target.name) == ("observation", "output"), (source.name, target.name)
    numbers = lambda ending: numpy.fromfile(path.with_suffix(ending), dtype="<f4")
    rows = numbers(".rows").reshape(-1, source.shape[1])
    answers = numbers(".answers").reshape(-1, target.shape[1])
    assert len(rows) == len(answers) > 0

    (found,) = session.run(None, {"observation": rows})
    (single,) = session.run(None, {"observation": rows[:1]})
    # Relative where answers are larger than 1.
    difference = numpy.abs(found - answers) / numpy.maximum(1.0, numpy.abs(answers))
    alone = numpy.abs(single - answers[:1]) / numpy.maximum(1.0, numpy.abs(answers[:1]))
    largest = max(float(difference.max()), float(alone.max()))
    print(f"{path.name}: {rows.shape} -> {found.shape}, largest difference {largest:.1e}, answers up to {numpy.abs(answers).max():.2f}")
    return found.shape == answers.shape and largest <= TOLERANCE


models = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
results = [compare(path) for path in models]
sys.exit(0 if results and all(results) else f"more than {TOLERANCE} apart")
