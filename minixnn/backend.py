"""The former name of `minixnn.arrays`, kept so that older programs run."""
import warnings

from minixnn.arrays import *  # noqa: F401, F403

warnings.warn("minixnn.backend is called minixnn.arrays now; import from there", DeprecationWarning, stacklevel=2)
