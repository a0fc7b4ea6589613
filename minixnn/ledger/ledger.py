"""The ledger of a pass: a row per layer. What its columns mean stands in `ledger/__init__.py`."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, to_numpy
from minixnn.batching import default_batch_size, is_list
from minixnn.logits import at_logits, head_of, logits
from minixnn.layers.base import Rule
from minixnn.ledger.table import table
from minixnn.progress import progress
from minixnn.rules import lrp
from minixnn.ledger.accounts import ACCOUNTS, PASSING_ON, Withheld, account_of
from minixnn.network import Network
from minixnn.passes import Target
from minixnn.rules.arguments import Rules
from minixnn.rules.composites import name_of, rules_for


@dataclass(frozen=True)
class Row:
    """The balance of one layer: numbers, or arrays (N,) with one number per image.

    relevance_out = relevance_in + absorbed_by_bias + absorbed_by_stabilizer + created_or_lost + unexplained + residual
    """
    l: Any                          # index of the layer; "" in the row of the whole network
    layer: str
    rule: str
    relevance_out: Any              # sum_k R_k at the layer's output: what comes from above
    relevance_in: Any               # sum_j R_j at its input: what is handed to the layer below
    absorbed_by_bias: Any
    absorbed_by_stabilizer: Any
    created_or_lost: Any            # above zero: lost, below zero: created
    unexplained: Any                # withheld by a rule that has no account
    residual: Any
    moved: Any                      # sum_k |R_k| or sum_j |R_j|, the larger: what a residual is to be compared with

    def map(self, f: Callable) -> "Row":
        """A row with f(number or array) in every column of numbers."""
        return Row(self.l, self.layer, self.rule, *(f(getattr(self, name)) for name in COLUMNS))


COLUMNS = [column.name for column in fields(Row)][3:]


class Ledger:
    """The balance of every layer: `rows[l]` is that of layer l, summed over the images.

    `per_image` holds the same rows with arrays (N,) in place of numbers; `image(n)` is the ledger of one image.
    """

    def __init__(self, per_image: list[Row]) -> None:
        self.per_image = per_image
        self.rows = [row.map(lambda column: float(column.sum())) for row in per_image]

    @property
    def total(self) -> Row:
        """From the output to the input in one row. What one layer hands on the next receives, so that cancels."""
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in COLUMNS}
        ends = {"relevance_out": self.rows[-1].relevance_out, "relevance_in": self.rows[0].relevance_in,
                "moved": max(row.moved for row in self.rows)}
        return Row("", "output to input", "", **{**sums, **ends})

    @property
    def largest_residual(self) -> float:
        """The largest |residual| of a layer, as a share of the relevance that the layer moved."""
        return max(abs(row.residual) / row.moved if row.moved else abs(row.residual) for row in self.rows)

    def image(self, n: int) -> "Ledger":
        """The ledger of the n-th image."""
        count = len(self.per_image[0].moved)
        if not -count <= n < count:
            raise IndexError(f"got image {n}, expected one of the {count} images that the ledger was kept of")
        return Ledger([row.map(lambda column: column[n:n + 1 or None]) for row in self.per_image])

    def __str__(self):
        return table(self)


def ledger(net: Network, x: Array, target: Target = None, rules: Rules = lrp.epsilon, start: Array | None = None,
           accounts: Mapping[Any, Any] | None = None, batch_size: int | None = None,
           quiet: bool = False) -> Ledger:
    """Run `passes.lrp(net, x, target, rules, start)` and say, for every layer, where the relevance went: a Ledger.

    Arguments as for the pass; for deep Taylor, rules=composites.deep_taylor(net, low, high). accounts: {rule:
    account} for rules of your own, if you want to know more of them than "unexplained".

    The numbers are as exact as the network's: net.astype(numpy.float64) and images in float64 bring the residual
    from about 1e-7 of the relevance down to 1e-16.

    >>> import numpy as np
    >>> from minixnn import Dense, Network
    >>> net = Network([Dense(np.array([[2.0], [-1.0]]), b=np.array([1.0]))])
    >>> book = ledger(net, np.array([[1.0, 2.0]]), target=0, quiet=True)
    >>> round(float(book.total.relevance_in), 3), round(float(book.total.absorbed_by_bias), 3)
    (0.0, 1.0)
    """
    net = at_logits(net, start)
    rules, books = rules_for(net, rules), []
    batch_size = default_batch_size(x, batch_size)
    for n in progress(range(0, max(len(x), 1), batch_size), "ledger", quiet):
        batch = slice(n, n + batch_size)
        wanted, begin = (value[batch] if is_list(value) and len(value) == len(x) else value
                         for value in [target, start])
        R = passes.lrp(net, x[batch], wanted, rules, begin)
        books.append(audit(net, x[batch], R, rules, accounts).per_image)
    return Ledger([join(rows) for rows in zip(*books)])


def audit(net: Network, x: Array, R: list[Array], rules: Rules,
          accounts: Mapping[Any, Any] | None = None) -> Ledger:
    """The Ledger of a pass that has been run: of its list R, one array beside every activation and the output.

    x is what it started from and `rules` what it used. The list may come from `passes.lrp`, from
    `passes.deep_taylor` or from a loop of your own.
    """
    if head_of(net) is not None and R[-1].shape == R[-2].shape and bool((R[-1] == R[-2]).all()):
        net = logits(net)                       # the pass started at the logit
    rules, accounts, A = rules_for(net, rules), {**ACCOUNTS, **(accounts or {})}, net.trace(x)
    if [r.shape for r in R] != [a.shape for a in A]:
        raise ValueError(f"got relevances of shapes {[r.shape for r in R]}, expected one array beside each activation, "
                         f"as a pass returns them: {[a.shape for a in A]}")
    return Ledger([balance(l, layer, A[l], A[l + 1], R[l + 1], R[l], rules[l], account_of(layer, rules[l], accounts))
                   for l, layer in enumerate(net.layers)])


def balance(l: int, layer: Any, x: Array, y: Array, R_out: Array, R_in: Array, rule: Rule,
            account: Callable | None) -> Row:
    """One row, with arrays (N,): R_out came to the layer, R_in left it, and `account` says where the rest went."""
    came, left = per_image(R_out), per_image(R_in)
    nothing = came * 0
    withheld = Withheld() if account is None else account(layer, x, y, R_out)
    bias, stabilizer, lost = (per_image(part) if is_list(part) else nothing for part in withheld)
    rest = came - left - bias - stabilizer - lost
    return Row(l, repr(layer), shown(rule), came, left, bias, stabilizer, lost,
               unexplained=rest if account is None else nothing, residual=nothing if account is None else rest,
               moved=np.maximum(per_image(abs(R_out)), per_image(abs(R_in))))


def shown(rule: Rule) -> str:
    """A rule's name; nothing where all relevance is only passed on."""
    return "" if getattr(rule, "func", rule) in PASSING_ON else name_of(rule)


def per_image(R: Array) -> Array:
    """R (N, ...) summed over each image, in double precision and on the host: (N,)"""
    return to_numpy(R.reshape(len(R), -1).sum(axis=1, dtype="float64"))


def join(rows: Sequence[Row]) -> Row:
    """The same row of several batches as one, the arrays put together."""
    return Row(rows[0].l, rows[0].layer, rows[0].rule,
               *(np.concatenate([getattr(row, name) for row in rows]) for name in COLUMNS))
