"""The device that is tested: CuPy's, or the stand-in, on which the script itself is tried."""
import contextlib
import importlib
import os
import platform
import shutil
import subprocess
import threading
import time
import tracemalloc

import numpy as np

from tests.backends import standin
from tests.backends.record_cupy import installed_cupy

SPIN = """
__device__ unsigned long long now() {
    unsigned long long t; asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)); return t;
}
extern "C" __global__ void spin(unsigned long long ns) { unsigned long long began = now(); while (now() - began < ns); }
"""
SPINS_MS = 50           # how long a kernel keeps the device busy while waits are counted


class Cupy:
    """The first device that CuPy finds. Attributes: xp, the module."""

    def __init__(self):
        self.xp, self.missing = installed_cupy()

    def describe(self):
        """{what: text}: card, driver, versions, settings that change numbers."""
        runtime, card = self.xp.cuda.runtime, self.xp.cuda.runtime.getDeviceProperties(0)
        return {"card": card["name"].decode(), "memory": f"{card['totalGlobalMem'] / 2 ** 30:.0f} GiB",
                "driver": driver(runtime), "CUDA": str(runtime.runtimeGetVersion()), "CuPy": self.xp.__version__,
                "CUPY_TF32": os.environ.get("CUPY_TF32", "not set"),
                "CUPY_ACCELERATORS": os.environ.get("CUPY_ACCELERATORS", "not set"), **host()}

    def synchronize(self):
        self.xp.cuda.get_current_stream().synchronize()

    def waits(self, run):
        """How many times the host waits for the device in `run()`.

        A second thread queues kernels that each keep the device busy for `SPINS_MS`, one after the other. What the host
        waits for stands in the queue behind the one that is running, so every wait lasts until that one ends.
        """
        run()                                               # compiles, and finds memory
        self.synchronize()
        began = time.perf_counter()
        run()
        alone_ms = 1000 * (time.perf_counter() - began)
        spin, stop, first = self.xp.RawKernel(SPIN, "spin"), threading.Event(), threading.Event()

        def keep_busy():
            self.xp.cuda.Device(0).use()
            while not stop.is_set():
                spin((1,), (1,), (np.uint64(SPINS_MS * 1_000_000),))
                done = self.xp.cuda.Event()
                done.record()
                first.set()
                done.synchronize()
        thread = threading.Thread(target=keep_busy)
        thread.start()
        first.wait()
        began = time.perf_counter()
        run()
        lasted_ms = 1000 * (time.perf_counter() - began)
        stop.set()
        thread.join()
        self.synchronize()
        return round(max(0, lasted_ms - alone_ms) / SPINS_MS + 0.3)     # the first kernel had begun before

    def peak(self, run):
        """How many bytes more than before `run()` holds at most, by the count of CuPy's own pool."""
        pool = self.xp.get_default_memory_pool()
        run()
        self.synchronize()
        pool.free_all_blocks()
        before = pool.used_bytes()
        run()
        self.synchronize()
        return pool.total_bytes() - before


class Standin:
    """The stand-in for CuPy: what `Cupy` asks a device, asked of it."""
    missing = None

    def __init__(self):
        self.xp = standin

    def describe(self):
        return {"card": "none: the stand-in for CuPy", "driver": "none", **host()}

    def synchronize(self):
        pass

    def waits(self, run):
        with standin.waiting() as waits:
            run()
        return len(waits)

    def peak(self, run):
        tracemalloc.start()
        try:
            run()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def host():
    versions = {"Python": platform.python_version(), "NumPy": np.__version__}
    with contextlib.suppress(ImportError):
        versions["torch"] = importlib.import_module("torch").__version__
    return {"host": f"{platform.machine()}, {os.cpu_count()} cores", **versions}


def driver(runtime):
    """The version of the driver, as nvidia-smi has it; without that program the CUDA version it serves."""
    if shutil.which("nvidia-smi"):
        asked = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"],
                               capture_output=True, text=True, timeout=20)
        if asked.returncode == 0:
            return asked.stdout.strip()
    return f"for CUDA {runtime.driverGetVersion()}"
