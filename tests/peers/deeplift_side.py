"""DeepLIFT beside the values of its authors' package, recorded by `record_deeplift.py`. Needs no other library."""
import json
import pathlib

import numpy as np

from minixnn import layers, passes
from minixnn.network import Network
from tests.peers import networks
from tests.peers.agreement import Comparison

PSEUDOCOUNT = 0.5e-7        # to positive and negative parts smaller than this the package adds twice as much
RECORD = json.loads((pathlib.Path(__file__).parent / "data" / "deeplift_reveal_cancel.json").read_text())


def rebuilt(case):
    """The recorded network as one of ours."""
    made = []
    for kind, settings in case["layers"]:
        settings = {name: np.array(value) if isinstance(value, list) else value for name, value in settings.items()}
        made.append(getattr(layers, kind)(**settings))
    return Network(made)


def recorded(mode):
    """The recorded cases, with the answer of the package in `mode` as their module."""
    for case in RECORD["cases"]:
        x, x_ref = np.array(case["x"]), np.array(case["x_ref"])
        made = networks.Case(f"recorded {case['name']}", np.array(case[mode]), rebuilt(case), x, x_ref,
                             np.full(len(x), case["target"]))
        made.smallest = case["smallest part"]
        yield made


class Recorded(Comparison):
    def cases(self):
        return (case for case in recorded(self.peer.split(",")[0]) if self.only is None or self.only(case))


def apart_from_zero(case):
    """Whether the package met no part that it moves away from zero."""
    return case.smallest > PSEUDOCOUNT


def answer(case):
    return case.module


def reveal_cancel(case):
    return passes.deeplift_reveal_cancel(case.net, case.x, case.x_ref, case.target)[0]


COMPARISONS = [
    Recorded("passes.deeplift", "deeplift", "Rescale, recorded",
             lambda case: passes.deeplift(case.net, case.x, case.x_ref, case.target)[0], answer),
    Recorded("passes.deeplift_reveal_cancel", "deeplift", "RevealCancel, recorded", reveal_cancel, answer,
             only=apart_from_zero, note="no positive or negative part near zero"),
    Recorded("passes.deeplift_reveal_cancel", "deeplift", "RevealCancel, recorded", reveal_cancel, answer,
             only=lambda case: not apart_from_zero(case),
             bound=1e-7,  # to parts near zero the package adds 1e-7 before it divides by them
             note="some part near zero: there 1e-7 is added to it"),
]
