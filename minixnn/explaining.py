"""The former place of `explain_to`, kept so that older programs run."""
import warnings

from minixnn.cli.to_file import explain_to  # noqa: F401

warnings.warn("explain_to is in minixnn.cli.to_file now; import from there", DeprecationWarning, stacklevel=2)
