"""Agreement with other libraries: torch's autograd, zennit, captum, LXT, autolrp, deeplift's recorded answers.

They are installed beside minixnn, in an environment of their own, by one line:

    python3 -m venv .venv-peers && .venv-peers/bin/pip install torch==2.13.0 && .venv-peers/bin/pip install -e ".[test,peers]" && .venv-peers/bin/pip install --no-deps zennit==0.5.1 captum==0.9.0 pytorchcv==0.0.74 lxt==2.1 autolrp==0.2.0

torch comes first so that a CPU build can be chosen for it: the plain one brings gigabytes for GPUs. zennit and pytorchcv
ask for torchvision, of which they need three classes that nothing here is an instance of; `libraries.py` stands in for
them. zennit and captum are held at the versions whose deviations the tests assert. Then

    .venv-peers/bin/python -m pytest tests/peers
    .venv-peers/bin/python -m tests.peers.table

docs/architectures.md has the command that installs timm, torchvision, transformers and segmentation-models-pytorch
beside them, which `tests.peers.families` reads.

Where a library is missing its tests are skipped, and say why.
"""  # noqa: E501  the line is there to be copied
import pytest

from tests.peers import libraries


def pytest_configure(config):
    for expected in ("Using padding='same' with even kernel", "deep Taylor got positive biases"):   # both on purpose
        config.addinivalue_line("filterwarnings", f"ignore:{expected}")


def pytest_report_header(config):
    found = [f"{name} {libraries.version(name)}" for name in ("torch", "zennit", "captum", "lxt", "autolrp")
             if getattr(libraries, name) is not None]
    return "peers: " + (", ".join(found) or "none installed")


@pytest.fixture
def needs():
    """needs("zennit") skips the test, with the reason, where the library is not installed."""
    def skip_without(*names):
        for name in names:
            if name in libraries.REASONS:
                pytest.skip(libraries.REASONS[name])
    return skip_without
