"""Steps that branch and join become a list of layers with blocks in it.

A step is a layer, or a join of several steps. What lies between a join and the last step before it that all ways pass,
its dominator, becomes one block; what lies inside each branch is written in the same manner. That expresses every graph
that is series-parallel. In any other, some step lies in two branches of one join and is written into both. Gradient,
relevance and DeepLIFT are linear in what comes from above, so that the two copies add up to the one: nothing changes
but the work, and that may grow by `MOST` of what it was. The deconvolutional network and guided backpropagation rectify
signals at a ReLU, so they do not add up, and a `Repeated` part refuses them. Where the work would grow by more,
`packing.py` lets the branches go on side by side.
"""
from __future__ import annotations

from minixnn import layers as ours
from minixnn.interop.graph import dominators, nearest, needed
from minixnn.interop.packing import packed
from minixnn.interop.steps import Step

MOST = 0.5              # of the multiplications of a network may be added by writing steps more than once
BLOCKS = {"sum": "Sum", "concat": "Concat", "product": "Product"}


def layers_of(first: Step, last: Step, steps: list[Step]) -> list:
    """The list of layers that computes `last` from `first`. steps: all, in an order in which they can be computed."""
    steps = _regrouped(_kept(steps, last))
    writer = _Writer(steps)
    writer.count(last, first)
    if not writer.fits():
        more = packed(steps)
        while more is not None:
            steps = _kept(more, last)
            more = packed(steps)
        writer = _Writer(steps)
        writer.count(last, first)
    return writer.write(last, first)


def _kept(steps, last):
    found = needed([last], lambda step: step.inputs)
    return [step for step in steps if step in found]


def _regrouped(steps):
    """cat(x, a, b) is written as cat(cat(x, a), b) where cat(x, a) is there already, as in DenseNet."""
    joined = {}                                             # inputs -> the concatenation of them
    for step in steps:
        if step.join == "concat":
            whole = tuple(step.inputs)
            for length in range(len(whole) - 1, 1, -1):
                if whole[:length] in joined:
                    step.inputs = [joined[whole[:length]], *whole[length:]]
                    break
            joined.setdefault(whole, step)
    return steps


class _Writer:
    """Writes chains from a step back to one of its dominators."""

    def __init__(self, steps):
        self.steps = steps
        self.above, self.depth = dominators(steps, lambda step: step.inputs)
        self.times = dict.fromkeys(steps, 0)                # how often each step is written

    def branches(self, join, inputs):
        """(where they part, [(the inputs of a branch, where it ends), ...]) of a join of these inputs.

        Inputs that come from one step behind the parting form one branch: cat(x, f(x), g(f(x))) is x beside
        cat(y, g(y)) of y = f(x). A sum may take them in any order, a concatenation only neighbours.
        """
        start = inputs[0]
        for each in inputs[1:]:
            start = nearest(start, each, self.above, self.depth)
        found = []
        for each in inputs:
            way = each
            while way is not start and self.above[way] is not start:
                way = self.above[way]
            same = [group for group in (found[-1:] if join.join == "concat" else found) if group[0] is way]
            if same and way is not start:
                same[0][1].append(each)
            else:
                found.append((way, [each]))
        return start, [group for _, group in found]

    def count(self, last, first):
        """Add up how often every step is written, without writing. Stops where it becomes far too much."""
        self.left = 40 * len(self.steps) + 1000
        todo = [([last], first, None)]
        while todo:
            inputs, stop, join = todo.pop()
            if len(inputs) > 1:
                start, groups = self.branches(join, inputs)
                todo += [(group, start, join) for group in groups] + [([start], stop, None)]
                continue
            step = inputs[0]
            while step is not stop and self.left > 0:
                self.times[step] += 1
                self.left -= 1
                if step.join:
                    start, groups = self.branches(step, step.inputs)
                    todo += [(group, start, step) for group in groups]
                    step = start
                else:
                    step = step.inputs[0]

    def fits(self):
        """Whether what is written more than once costs little."""
        once = sum(step.work for step in self.steps)
        more = sum((times - 1) * step.work for step, times in self.times.items() if times > 1)
        return self.left > 0 and more <= MOST * once

    def write(self, last, first, outer=1):
        """The layers from `first`, without it, to `last`, inside a block that is itself written `outer` times."""
        found, step = [], last
        while step is not first:
            if step.join:
                start, block = self.block(step, step.inputs)
                found.append((block, self.times[step] > outer))
                step = start
            else:
                found.append((step.layer, self.times[step] > outer))
                step = step.inputs[0]
        return _marked(found[::-1])

    def block(self, join, inputs):
        """(the step where it begins, the block)"""
        start, groups = self.branches(join, inputs)
        chains = []
        for group in groups:
            if len(group) == 1:
                chains.append(self.write(group[0], start, self.times[join]))
            else:
                inner, block = self.block(join, group)
                chains.append([*self.write(inner, start, self.times[join]), block])
        return start, _block(join.join, chains)


def _block(join, chains):
    """The block of these chains, a list of layers each; an empty one is the identity."""
    if join == "sum" and len(chains) == 2:
        shortcut, body = sorted(chains, key=len)
        return ours.Residual(body, shortcut) if body else ours.Sum(chains)
    return getattr(ours, BLOCKS[join])(chains)


def _marked(found):
    """The layers of a chain, those that stand in another branch as well together in `Repeated` parts."""
    result, part = [], []
    for layer, repeated in found:
        if repeated:
            part.append(layer)
            continue
        result += ([ours.Repeated([part])] if part else []) + [layer]
        part = []
    return result + ([ours.Repeated([part])] if part else [])
