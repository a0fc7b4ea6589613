"""The ledger of a pass: a row per layer. What its columns mean stands in `ledger/__init__.py`."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, Inputs, to_numpy
from minixnn.batching import default_batch_size, is_list, rows, some
from minixnn.logits import at_logits, head_of, logits
from minixnn.layers.base import Join, Layer, Rule
from minixnn.ledger.table import table
from minixnn.progress import progress
from minixnn.rules import lrp
from minixnn.ledger.accounts import ACCOUNTS, PASSING_ON, Withheld, account_of
from minixnn.network import Network, neighbours, place_of, plus
from minixnn.passes import Target
from minixnn.rules.composites import Rules, name_of, rules_for


Number: TypeAlias = Array       # a number, or an array (N,) with one for each image
Index: TypeAlias = int | str    # a number, or text in its place in the row of the whole network


@dataclass(frozen=True)
class Row:
    """The balance of one layer: numbers, or arrays (N,) with one number per image.

    relevance_out = relevance_in + absorbed_by_bias + absorbed_by_stabilizer + created_or_lost + unexplained + residual
    """
    l: Index                        # index of the layer, or of the first of several; "" in the row of the whole network
    place: str                      # the name of its place, such as "stage2.block1.conv1"
    layer: str
    rule: str
    relevance_out: Number           # sum_k R_k at the layer's output: what arrives from above
    relevance_in: Number            # sum_j R_j at its inputs: what is passed to the layers below
    absorbed_by_bias: Number
    absorbed_by_stabilizer: Number
    created_or_lost: Number         # above zero: lost, below zero: created
    unexplained: Number             # withheld by a rule that has no account
    residual: Number
    moved: Number                   # sum_k |R_k| or sum_j |R_j|, the larger: what a residual is to be compared with
    sent: dict                      # {i: what of relevance_in went to A[i]}

    def map(self, f: Callable) -> "Row":
        """The row with other numbers.

        Parameters
        ----------
        f : a function of a number or an array.

        Returns
        -------
        A Row.
        """
        return replace(self, **{name: f(getattr(self, name)) for name in COLUMNS},
                       sent={i: f(share) for i, share in self.sent.items()})


COLUMNS = [column.name for column in fields(Row)][4:-1]           # those that hold numbers


class Ledger:
    """The balance of every layer: `rows[l]` is that of layer l, summed over the images.

    Parameters
    ----------
    per_image : the rows with arrays (N,) in place of numbers; `image(n)` is the ledger of one image.
    """

    def __init__(self, per_image: list[Row]) -> None:
        self.per_image = per_image
        self.rows = [row.map(lambda column: float(column.sum())) for row in per_image]

    @property
    def total(self) -> Row:
        """From the output to the input in one row. What one layer passes to another cancels."""
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in COLUMNS}
        arrived = sum(row.sent.get(0, 0) for row in self.rows)
        ends = {"relevance_out": self.rows[-1].relevance_out, "relevance_in": arrived,
                "moved": max(row.moved for row in self.rows)}
        return Row("", "", "output to input", "", **{**sums, **ends}, sent={0: arrived})

    @property
    def largest_residual(self) -> float:
        """The largest |residual| of a layer, as a share of the relevance that the layer moved."""
        return max(abs(row.residual) / row.moved if row.moved else abs(row.residual) for row in self.rows)

    def image(self, n: int) -> "Ledger":
        """The ledger of one image.

        Parameters
        ----------
        n : its number; negative ones count from the end.

        Returns
        -------
        A Ledger.

        Raises
        ------
        IndexError : there is no such image.
        """
        count = len(self.per_image[0].moved)
        if not -count <= n < count:
            raise IndexError(f"got image {n}, expected one of the {count} images that the ledger was kept of")
        return Ledger([row.map(lambda column: column[n:n + 1 or None]) for row in self.per_image])

    def folded(self, depth: int = 1) -> "Ledger":
        """The ledger with a row for all neighbouring layers whose names begin alike, such as "stage2".

        What they pass to each other cancels. Layers without a name keep their rows.

        Parameters
        ----------
        depth : how many parts of the names are compared.

        Returns
        -------
        A Ledger.
        """
        groups = [[self.per_image[l] for l in some]
                  for some in neighbours([row.place for row in self.per_image], depth)]
        return Ledger([put_together(rows, depth) if len(rows) > 1 else rows[0] for rows in groups])

    def __str__(self):
        return table(self)


def ledger(net: Network, x: Array, target: Target = None, rules: Rules = lrp.epsilon, start: Array | None = None,
           accounts: Mapping[Rule, Callable] | None = None, batch_size: int | None = None,
           quiet: bool = False) -> Ledger:
    """Run `passes.lrp(net, x, target, rules, start)` and say, for every layer, where the relevance went.

    The numbers are as exact as the network's: net.astype(numpy.float64) and images in float64 bring the residual from
    about 1e-7 of the relevance down to 1e-16.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), or a tuple of inputs.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    rules : as for `passes.lrp`; for deep Taylor composites.deep_taylor(net, low, high).
    start : relevance of the outputs, in place of the target.
    accounts : {rule: account} for rules of your own, if you want to know more of them than "unexplained".
    batch_size : images at a time; None for what suits the machine.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Ledger.

    Raises
    ------
    ValueError : as for `passes.lrp`.

    Examples
    --------
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
    N, several = rows(x), isinstance(x, tuple)
    for n in progress(range(0, max(N, 1), batch_size), "ledger", quiet):
        part, wanted, begin = (some(value, slice(n, n + batch_size), N, several) for value in (x, target, start))
        R = passes.lrp(net, part, wanted, rules, begin)
        books.append(audit(net, part, R, rules, accounts).per_image)
    return Ledger([join(each) for each in zip(*books)])


def audit(net: Network, x: Array, R: list[Array], rules: Rules,
          accounts: Mapping[Rule, Callable] | None = None) -> Ledger:
    """The Ledger of a pass that has been run.

    Parameters
    ----------
    net : the Network.
    x : the inputs that the pass explained.
    R : its list, one array beside every activation and the output: from `passes.lrp`, `passes.deep_taylor` or a loop of
        your own.
    rules : the rules that it used.
    accounts : {rule: account} for rules of your own.

    Returns
    -------
    A Ledger.

    Raises
    ------
    ValueError : a list of other shapes; rules that do not fit the layers.
    """
    head = head_of(net)
    if head is not None and same(R[head], R[head + 1]):
        net = logits(net)                       # the pass started at the logit
    rules, accounts, A = rules_for(net, rules), {**ACCOUNTS, **(accounts or {})}, net.trace(x)
    if [shapes(r) for r in R] != [shapes(a) for a in A]:
        raise ValueError(f"got relevances of shapes {[shapes(r) for r in R]}, expected one array beside each "
                         f"activation, as a pass returns them: {[shapes(a) for a in A]}")
    rows = [balance(l, layer, net.entering(A, l), A[l + 1], R[l + 1], sent, rule, account_of(layer, rule, accounts),
                    net.names[l], len(A[-1]))
            for l, (layer, rule, sent) in enumerate(zip(net.layers, rules, shares(net, A, R, rules)))]
    for i in range(len(net.layers)):            # what is left of R[i] for the lowest of several is as exact as R[i]
        lowest, *others = net.readers(i)
        if others:
            whole = per_image(size(R[i]), len(A[-1]))
            rows[lowest] = replace(rows[lowest], moved=np.maximum(rows[lowest].moved, whole))
    return Ledger(rows)


def shares(net: Network, A: list[Array], R: list[Array], rules: Sequence[Rule]) -> list[dict[int, Array]]:
    """For each layer the part of R[i] that it sent there.

    Where one layer alone reads A[i] that is R[i] itself. Where several do, they are asked for their own parts, all but
    the lowest: to it belongs what is left of R[i]. If the parts do not add up to R[i], its balance shows it.

    Parameters
    ----------
    net : the Network.
    A, R : the lists of activations and relevances.
    rules : a rule per layer.

    Returns
    -------
    For each layer {i: what it sent to A[i]}.
    """
    sent: list[dict] = [{} for _ in net.layers]
    for i in range(len(net.layers)):
        rest, (lowest, *others) = R[i], net.readers(i)
        for l in others:
            R_x = rules[l](net.layers[l], net.entering(A, l), A[l + 1], R[l + 1])
            parts = R_x if isinstance(net.layers[l], Join) else (R_x,)
            for source, part in zip(net.inputs[l], parts):
                if source == i:
                    sent[l][i] = plus(sent[l][i], part) if i in sent[l] else part
            rest = less(rest, sent[l][i])
        sent[lowest][i] = rest
    return sent


def less(r: Inputs, part: Inputs) -> Inputs:
    """r - part; of several inputs, for each."""
    return tuple(map(less, r, part)) if isinstance(r, tuple) else r - part


def shapes(a: Inputs) -> tuple:
    """The shape of an array; of several inputs a tuple of them."""
    return tuple(map(shapes, a)) if isinstance(a, tuple) else a.shape


def same(r: Inputs, other: Inputs) -> bool:
    """Whether two relevances are equal."""
    return shapes(r) == shapes(other) and bool((r == other).all())


def balance(l: int, layer: Layer, x: Inputs, y: Array, R_out: Array, sent: Inputs, rule: Rule, account: Callable | None,
            place: str = "", images: int | None = None) -> Row:
    """The row of one layer, with arrays (N,) in place of numbers.

    Parameters
    ----------
    l : the number of the layer.
    layer : the layer.
    x, y : its input and output.
    R_out : the relevance that arrived at it, like y.
    sent : {i: what A[i] got}, or the array that the input of a chain's layer got.
    rule : the rule.
    account : what explains the rest, see `accounts.py`; None for a rule that is not known.
    place : the layer's name.
    images : N, where an image has several rows in y, as its windows have.

    Returns
    -------
    A Row.
    """
    images = images or len(R_out)
    sent = sent if isinstance(sent, dict) else {l: sent}
    arrived, nothing = per_image(R_out, images), per_image(R_out, images) * 0
    withheld = Withheld() if account is None else account(layer, x, y, R_out)
    bias, stabilizer, lost = (per_image(part, images) if is_list(part) else nothing for part in withheld)
    totals = {i: per_image(part, images) for i, part in sent.items()}
    left = sum(totals.values(), nothing)
    rest = arrived - left - bias - stabilizer - lost
    return Row(l, place, repr(layer), shown(rule), arrived, left, bias, stabilizer, lost,
               unexplained=rest if account is None else nothing, residual=nothing if account is None else rest,
               moved=np.maximum(per_image(abs(R_out), images),
                                sum((per_image(size(part), images) for part in sent.values()), nothing)),
               sent=totals)


def size(R: Inputs) -> Array:
    """|R|; of several inputs, for each."""
    return tuple(map(abs, R)) if isinstance(R, tuple) else abs(R)


def put_together(rows: Sequence[Row], depth: int) -> Row:
    """One row for several layers: what they hand to each other cancels."""
    inside = {int(row.l) + 1 for row in rows}
    within = sum(share for row in rows for i, share in row.sent.items() if i in inside)
    sums = {name: sum(getattr(row, name) for row in rows) for name in COLUMNS}
    ends = {"relevance_out": sums["relevance_out"] - within, "relevance_in": sums["relevance_in"] - within,
            "moved": np.max([row.moved for row in rows], axis=0)}
    sent: dict = {}
    for row in rows:
        for i, share in row.sent.items():
            if i not in inside:
                sent[i] = sent.get(i, 0) + share
    names = dict.fromkeys(row.rule.partition(" (")[0] for row in rows if row.rule)
    return Row(rows[0].l, place_of(rows[0].place, depth), f"{len(rows)} layers", ", ".join(names),
               **{**sums, **ends}, sent=sent)


def shown(rule: Rule) -> str:
    """A rule's name; nothing where all relevance is only passed on."""
    return "" if getattr(rule, "func", rule) in PASSING_ON else name_of(rule)


def per_image(R: Inputs, images: int) -> Array:
    """R summed over each image, in double precision and on the host.

    Windows of an image may be rows of their own, (N windows, ...); those of one image follow one another.

    Parameters
    ----------
    R : relevance (N, ...), or a tuple of several inputs', which are added up.
    images : N.

    Returns
    -------
    The sums (N,).
    """
    if isinstance(R, tuple):
        return sum(per_image(part, images) for part in R)
    return to_numpy(R.reshape(images, -1).sum(axis=1, dtype="float64"))


def join(rows: Sequence[Row]) -> Row:
    """The same row of several batches as one, the arrays put together."""
    columns: dict[str, Number] = {name: np.concatenate([getattr(row, name) for row in rows]) for name in COLUMNS}
    return replace(rows[0], **columns,
                   sent={i: np.concatenate([row.sent[i] for row in rows]) for i in rows[0].sent})
