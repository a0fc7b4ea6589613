"""`minixnn ledger`: where the relevance of all pictures together goes."""
from functools import partial
from argparse import Namespace

import numpy as np

from minixnn import attribution
from minixnn.cli.errors import CannotGoOn, say
from minixnn.cli.methods import RULES, chosen, explanation, outputs
from minixnn.cli.reading import Reader
from minixnn.ledger import ledger


def show_ledger(asked: Namespace) -> int:
    """Print the table; returns the exit status."""
    rules = chosen(RULES, asked.rule, "rule", asked.options)
    reader = Reader(asked)
    items = [item for item in map(reader.read, reader.find()) if item is not None]
    x = [each[:] for item in items for each in item.inputs]
    for item in items:
        if item.note:
            say(f"{item.path}: {item.note}")
    if len({inputs.shape[1:] for inputs in x}) != 1:
        raise CannotGoOn("none of the files could be read" if not x else
                         "the sequences are of several lengths; give those of one length"
                         if items[0].kind == "text" else
                         "the pictures are of several sizes; give --size, or one at a time")
    images = np.concatenate(x)
    net = items[0].net
    asked.method = asked.rule
    method = partial(attribution.lrp, rules=rules)
    y = outputs(net.predict(images, asked.batch_size, asked.workers))
    found = explanation(asked, method, net.card, y)
    print(ledger(net, images, found.targets(y, images), rules, found.start(y, images), batch_size=asked.batch_size))
    return reader.status
