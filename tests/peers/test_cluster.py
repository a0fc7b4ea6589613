"""Do blocks of images explained by a cluster of processes give what one process gives, also when a worker dies?"""
import os
import signal
import time

import numpy as np
import pytest

from minixnn import attribution, datasets, models
from minixnn.rules import composites

da = pytest.importorskip("dask.array", reason="dask is not installed; the extra cluster brings it")
distributed = pytest.importorskip("distributed", reason="distributed is not installed; the extra cluster brings it")


def explain(block, net=None, pause=0):
    """One block; `pause` keeps the worker busy long enough to be killed at it."""
    time.sleep(pause)
    return attribution.lrp(net, block, rules=composites.epsilon_plus_flat)


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
                                  host="127.0.0.1") as cluster, distributed.Client(cluster) as client:
        yield client


def heatmaps_of(client, images, pause=0):
    blocks = da.from_array(images, chunks=(50, *images.shape[1:]))
    net = client.scatter(models.load("dense"), broadcast=True)
    return blocks.map_blocks(explain, net=net, pause=pause, dtype="float32", meta=np.empty((0,) * 4, "float32"))


def test_a_cluster_gives_what_one_process_gives(client, tmp_path):
    images = datasets.mnist("test")[0][:300]
    da.to_npy_stack(tmp_path / "heatmaps", heatmaps_of(client, images))
    expected = attribution.lrp(models.load("dense"), images, rules=composites.epsilon_plus_flat)
    found = da.from_npy_stack(tmp_path / "heatmaps").compute()
    assert len(list((tmp_path / "heatmaps").glob("*.npy"))) == 6, "a file for each block"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_blocks_of_a_worker_that_was_killed_are_done_again(client):
    images = datasets.mnist("test")[0][:400]
    running = client.compute(heatmaps_of(client, images, pause=0.5))
    time.sleep(0.8)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    found = running.result(timeout=120)
    expected = attribution.lrp(models.load("dense"), images, rules=composites.epsilon_plus_flat)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
