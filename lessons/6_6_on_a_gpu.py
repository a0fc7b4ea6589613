r"""
6.6 The same lesson on a GPU
============================

**You will see** that the code of every lesson runs on a GPU as it stands: an array knows where it lives, and what is
computed from it lives there too. Without a GPU this lesson runs on NumPy and says so.

**Before this:** 2.3 (layer-wise relevance propagation). For a GPU: CuPy, ``pip install cupy-cuda12x`` or
``cupy-cuda13x``, one of them, by the CUDA version of your driver.

**Papers:** Bach et al. 2015, equation 58, computed twice.
"""
import time

import numpy as np

from minixnn import datasets, models, passes, plot
from minixnn.arrays import array_module, to_numpy
from minixnn.rules import composites, lrp

# %%
# Which array module?
# -------------------
# minixnn never imports CuPy by itself. You do, and hand its arrays in; or you do not, and all stays with NumPy.

try:
    import cupy as xp
    name = xp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(f"computing on {name} with CuPy {xp.__version__}")
except ImportError:
    import numpy as xp
    print("CuPy is not installed: this run is on the CPU, with NumPy; everything below is the same code")
except Exception as error:                                  # CuPy is there, but no device, or no driver for it
    import numpy as xp
    print(f"CuPy finds no device ({error}): this run is on the CPU, with NumPy; everything below is the same code")

# %%
# Three lines to switch
# ---------------------
# The parameters move, the images move; the rest of the program does not know.

images, labels = datasets.mnist("test")
net = models.load("cnn").on(xp)                             # 1. a copy of the network whose weights live there
x = xp.asarray(images[:10])                                 # 2. the images too
R = passes.lrp(net, x, rules=composites.epsilon_plus)       # 3. <- STEP INTO: no line of a rule knows about devices
print("the heatmaps are", type(R[0]), R[0].shape, R[0].dtype)

# %%
# How can one code serve both? Operators (``x * c``, ``x @ W``) and methods (``x.sum()``) belong to the array. Where a
# *function* is needed, the line asks the array first: ``xp = array_module(x)``. By head:

v = xp.asarray([-1.0, 2.0])
print("positive part of", v, "by", array_module(v).__name__, "is", array_module(v).maximum(v, 0))

# %%
# A picture needs the numbers on the host: ``to_numpy`` brings them, and ``plot`` calls it by itself. Nothing is moved
# silently anywhere else; an array on the device and one on the host in the same sum are an error, not a slow copy.

plot.heatmaps({"epsilon plus": R[0]}, x, title=f"Computed by {xp.__name__}")

# %%
# One question, measured
# ----------------------
# Do both compute the same? The order in which a GPU adds is another, so the last digits differ; not more. And how long
# does it take? Let the first call go by, in which a GPU compiles and allocates, and ask the device to be done before
# looking at the clock, or you measure how fast work is *asked for*.


def seconds(net, x, repeats=3):
    """The median time of an explanation of x, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        R = passes.lrp(net, x, 0, lrp.epsilon)
        to_numpy(R[0].ravel()[:1])                          # waits until the device is done
        times.append(time.perf_counter() - start)
    return np.median(times[1:])


host, many = models.load("cnn"), images[:200]
on_host = passes.lrp(host, images[:10], rules=composites.epsilon_plus)
difference = abs(to_numpy(R[0]) - on_host[0]).max() / abs(on_host[0]).max()
print(f"largest difference from NumPy, as a share of the largest relevance: {difference:.1e}")
speed = {"NumPy": seconds(host, many)}
if xp is not np:
    speed[xp.__name__] = seconds(net, xp.asarray(many))
fastest = min(speed, key=speed.get)
print(f"200 digits by LRP-epsilon: the fastest here is {fastest}"
      + (f", {speed['NumPy'] / speed[fastest]:.0f} times as fast as NumPy" if fastest != "NumPy" else ""))

# %%
# Try this
# --------
# 1. Add a host array to a device array, ``x + numpy.ones(...)``, and read the error that CuPy gives.
# 2. Explain 1, 10, 100 and 1,000 digits on both. From how many on does the GPU pay?

assert array_module(R[0]) is xp, "what goes in on a device comes out on it"
assert difference < 1e-4
plot.show()
