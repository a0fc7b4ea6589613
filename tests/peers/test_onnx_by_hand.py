"""The tests of ONNX files made by hand, once more: this is the environment in which onnx is sure to be installed."""
from tests.test_onnx import *  # noqa: F401, F403
from tests.test_onnx_graphs import *  # noqa: F401, F403
from tests.test_onnx_writer import *  # noqa: F401, F403
