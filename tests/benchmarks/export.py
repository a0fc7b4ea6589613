"""How fast is an explanation that was written to an ONNX file?   python -m tests.benchmarks.export

One thread, processor time, median of nine, NumPy and onnxruntime in turns on the shipped cnn. Needs onnx, onnxruntime.
"""
import os
import tempfile
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnxruntime

from minixnn import attribution, datasets, interop, models
from minixnn.rules import deep_taylor, lrp

RULES = {"epsilon": lrp.epsilon, "z+": deep_taylor.z_plus, "alpha2-beta1": lrp.alpha_beta}


def seconds(*calls, rounds=9):
    """The median processor time of each call, the calls in turns."""
    times = [[] for _ in calls]
    for _ in range(rounds + 1):
        for call, found in zip(calls, times):
            start = time.process_time()
            call()
            found.append(time.process_time() - start)
    return [float(np.median(found[1:])) for found in times]


def main():
    net, images = models.load("cnn"), datasets.mnist("test")[0]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    print(f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}, one thread")
    with tempfile.TemporaryDirectory() as folder:
        for name, rule in RULES.items():
            path = os.path.join(folder, "explanation.onnx")
            interop.to_onnx(net, path, method="lrp", rules=rule)
            session = onnxruntime.InferenceSession(path, options)
            for count in (1, 100):
                x, target = images[:count], np.zeros(count, np.int64)
                ours, theirs = seconds(lambda: attribution.lrp(net, x, 0, rule),
                                       lambda: session.run(["heatmap"], {"input": x, "target": target}))
                print(f"{name:14} batch {count:3}   NumPy {ours * 1e3:7.2f} ms   onnxruntime {theirs * 1e3:7.2f} ms   "
                      f"ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
