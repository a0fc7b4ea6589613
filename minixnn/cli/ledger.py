"""`minixnn ledger`: where the relevance of all pictures together goes."""
from functools import partial
from argparse import Namespace

import numpy as np

from minixnn import attribution
from minixnn.cli.errors import CannotGoOn, say
from minixnn.cli.expected import open_model, usual_model
from minixnn.cli.methods import RULES, chosen, explanation, outputs
from minixnn.cli.reading import Array, Reader, Rows
from minixnn.ledger import ledger


def show_ledger(asked: Namespace) -> int:
    """Print the table; returns the exit status."""
    rules = chosen(RULES, asked.rule, "rule", asked.options)
    asked.model = asked.model or usual_model(asked.images)
    reader = Reader(asked, open_model(asked.model, asked.mean, asked.std, asked.labels, asked.size))
    items = [reader.read(path) for path in reader.find()]
    x = [item.batch[:] if isinstance(item, Array) else item.x if isinstance(item, Rows) else item.x[None]
         for item in items if item is not None]
    for item in items:
        note = item.batch.note if isinstance(item, Array) else item.note if item is not None else ""
        if note:
            say(f"{item.path}: {note}")
    if len({inputs.shape[1:] for inputs in x}) != 1:
        raise CannotGoOn("the pictures are of several sizes; give --size, or one at a time" if x else
                         "none of the files could be read")
    images = np.concatenate(x)
    net = reader.net if any(isinstance(item, Rows) for item in items) else reader.of_pictures
    asked.method, asked.workers = asked.rule, -1
    method = partial(attribution.lrp, rules=rules)
    y = outputs(net.predict(images, asked.batch_size, asked.workers))
    found = explanation(asked, method, net.card, y)
    start = None if found.plain else found.start(y, images.shape[1:3])
    print(ledger(net, images, found.targets(y), rules, start, batch_size=asked.batch_size))
    return reader.status
