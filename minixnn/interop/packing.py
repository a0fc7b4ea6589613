"""Graphs that are no series of blocks: what several branches need at once goes on side by side, in a row of numbers.

A step s is *shared* if several steps read it, and if a way around it reaches the join in which all of them have come
together. No block can begin at s, since the block of that join begins earlier, at the dominator d of both. So d and s
are flattened and put into one row, which all ways pass. A step that reads d or s takes its part out of the row:

    ChannelSelect(start, stop), Unflatten(shape)

One row for each shared step makes a series of blocks of any graph. A row only moves numbers, so that every method and
every rule gives what it gives in the graph.
"""
from __future__ import annotations

from minixnn import layers as ours
from minixnn.interop.graph import dominators
from minixnn.interop.layout import size_unknown
from minixnn.interop.steps import Step


def packed(steps: list[Step]) -> list[Step] | None:
    """The steps with the first shared one put into a row with its dominator; None if no step is shared."""
    users: dict[Step, list] = {step: [] for step in steps}
    for step in steps:
        for read in step.inputs:
            users[read].append(step)
    above, depth = dominators(steps, lambda step: step.inputs)
    behind, _ = dominators(steps[::-1], lambda step: users[step])
    shared = next((step for step in steps if len(users[step]) > 1 and not _reaches(behind[step], step, above, depth)),
                  None)
    return None if shared is None else _Row(steps, users, shared, above).replaced()


def _reaches(step, top, above, depth):
    """Whether `top` dominates `step`."""
    while step is not None and depth[step] > depth[top]:
        step = above[step]
    return step is top


class _Row:
    """One row: `shared` beside its dominator, or beside those parts of an earlier row that are still needed."""

    def __init__(self, steps, users, shared, above):
        self.steps, self.users, self.shared = steps, users, shared
        self.dominator = None
        behind, self.dominator = self.ways(), above[shared]
        while all(user in behind for user in users[self.dominator]):        # no way around begins here
            self.dominator = above[self.dominator]
        self.before = self.ways()
        self.added, self.inputs, self.parts = [], [], []

    def ways(self):
        """The steps between the dominator, or the input, and the shared step; and that one."""
        found, left = set(), [self.shared]
        while left:
            step = left.pop()
            if step is not self.dominator and step not in found:
                found.add(step)
                left += step.inputs
        return found

    def replaced(self):
        """All steps, in an order in which they can be computed."""
        row, shared = self.dominator, self.shared
        if row.parts:                                       # an earlier row
            needed = {}                                     # part -> the steps that take it out, not on the way to s
            for step in self.steps:
                if step.part is not None and step.part[0] is row and step not in self.before:
                    needed.setdefault(step.part[1], []).append(step)
            places = [(self.keep(row.parts[k], self.select(row, row.parts[k])), takers) for k, takers in needed.items()]
            edges = [(place, user, taker) for place, takers in places for taker in takers for user in self.users[taker]]
        else:
            place = self.keep_value(row)
            edges = [(place, user, row) for user in set(self.users[row]) if user not in self.before]
        place = self.keep_value(shared)
        edges += [(place, user, shared) for user in set(self.users[shared])]
        joined = self.step(None, self.inputs, join="concat")
        joined.parts = self.parts
        for place, user, old in edges:
            user.inputs = [self.take(joined, place) if read is old else read for read in user.inputs]
        return _sorted([*self.steps, *self.added])

    def keep_value(self, step):
        """Flatten a step into the row; the number of its part."""
        if step.shape is None or None in step.shape:
            raise size_unknown(f"{step.label}: is needed in several branches that are no blocks, and its size is not "
                               "known")
        flat = step if len(step.shape) == 1 else self.step(ours.Flatten(), [step])
        return self.keep((step.shape, None, None), flat)

    def keep(self, part, flat):
        """Put a flat step behind the others in the row; the number of its part."""
        size, start = 1, self.parts[-1][2] if self.parts else 0
        for n in part[0]:
            size *= n
        self.inputs.append(flat)
        self.parts.append((part[0], start, start + size))
        return len(self.parts) - 1

    def take(self, row, place):
        """A part of a row in its shape."""
        shape, start, stop = row.parts[place]
        step = self.select(row, row.parts[place])
        if len(shape) > 1:
            step.part = (row, place)
            step = self.step(ours.Unflatten(shape), [step])
        step.part, step.shape = (row, place), shape
        return step

    def select(self, row, part):
        return self.step(ours.ChannelSelect(part[1], part[2]), [row])

    def step(self, layer, inputs, join=None):
        step = Step(layer, inputs, self.shared.label, 0, join)
        self.added.append(step)
        return step


def _sorted(steps):
    """The steps in an order in which they can be computed, as near to the given one as can be."""
    number = {step: n for n, step in enumerate(steps)}
    order, done = [], set()
    for step in steps:
        left = [step]
        while left:
            each = left[-1]
            missing = [read for read in each.inputs if read not in done and read in number]
            if each in done or not missing:
                left.pop()
                if each not in done:
                    done.add(each)
                    order.append(each)
            else:
                left += missing
    return order
