"""`minixnn explain`: heatmaps of pictures, arrays of images, and tables. One bad file ends nothing."""
from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn.attribution import NAMES
from minixnn.card import squash
from minixnn.cli import control, results, tables, text, tokens
from minixnn.cli.errors import OF_ONE_PICTURE, CannotGoOn, say, sentence, visible
from minixnn.cli.expected import hint, of_photographs, usual_method
from minixnn.cli.methods import METHODS, Explanation, chosen, explanation, key_of, outputs, rules_of
from minixnn.cli.reading import Item, Reader
from minixnn.cli.to_file import explain_to, fingerprint
from minixnn.ledger import ledger
from minixnn.progress import progress

if TYPE_CHECKING:
    from minixnn.card import Card
    from minixnn.network import Network

FIGURES = ("heatmap.png", "overlay.png")
PROBABLE = ("Softmax", "LogSoftmax", "Sigmoid")     # heads that make probabilities
LINES = 20                      # rows of a table that are printed one by one
Record: TypeAlias = dict    # what stands beside a result as JSON, by names
# Beside the map of a photograph: the class that it is explained rather than, or None; the map (H, W, C) of the target,
# that of the target rather than the rival, and the control of the first.
Beside: TypeAlias = tuple[int | None, Array, Array, control.Control]


def explain(asked: Namespace) -> int:
    """Explain everything that was asked for; returns the exit status."""
    given = asked.model
    run = Run(asked)
    if run.bytes:
        print(text.NOTE)
    if given is None:
        print(f"network: {asked.model}, as no --model was given; method: {asked.method}")
    files = run.find()
    run.names = results.Names(asked.out, files)
    results.prepare_folder(asked.out)
    if asked.resume:
        left = results.not_done(files, run.names, run.made_by, run.figures)
        if len(left) < len(files):
            print(f"{len(files) - len(left)} have results already")
        files = left
    else:
        results.say_what_is_replaced(files, run.names, run.made_by)
    try:
        for group in run.groups(progress(files, "explaining", finished=lambda: run.done + run.failed)):
            run.explain(group)
    except (CannotGoOn, KeyboardInterrupt, BrokenPipeError) as error:
        if run.done or isinstance(error, KeyboardInterrupt):
            state = f"{run.done} of {len(files)} are done, in {asked.out}; the same call with --resume goes on"
            error.state = state                             # type: ignore[union-attr]  # of any exception
        raise
    return run.status


class Run(Reader):
    """All that one call explains."""
    names: Callable                                             # results.Names, once the files are known
    explanation: Explanation                                    # as soon as the first outputs are known

    def __init__(self, asked: Namespace) -> None:
        super().__init__(asked)
        net = self.net
        asked.method = key_of(METHODS, asked.method or usual_method(net, asked.size), "--method")
        self.method = chosen(METHODS, asked.method, "method", asked.options)
        self.forgotten: Network | None = None                   # with shuffled weights, once it is needed
        self.made_by = {"network": fingerprint(net), "method": " ".join([asked.method, *asked.options]),
                        "target": asked.target or "the largest output", "versus": asked.versus or "nothing",
                        "box": asked.box and list(asked.box),
                        "size": "x".join(map(str, asked.size or ())) or "as the network asks", "invert": asked.invert,
                        "fit": asked.fit or "as the card says", "header": asked.header, "place": asked.place,
                        "tokens": [text for text in asked.images if tokens.is_list(text)]}
        self.photographs = of_photographs(net, asked.size)
        self.figures: tuple[str, ...] = () if not asked.figures else \
            (text.PAGE,) if self.bytes or self.expected.tokens else FIGURES if can_draw() else ()

    def explain(self, group: list[Item]) -> None:
        """Pictures of one size together; rows, a text or an array of pictures is alone in its group."""
        if group[0].kind == "picture":
            for shape in sorted({picture.x.shape for picture in group}):
                self.pictures([picture for picture in group if picture.x.shape == shape])
        else:
            {"rows": self.table, "text": self.text, "array": self.array}[group[0].kind](group[0])

    def outputs(self, net: Network, x: Array) -> Array:
        """The outputs of x; the first ones show what the target can be."""
        y = outputs(net.predict(x, self.asked.batch_size, self.asked.workers))
        if not hasattr(self, "explanation"):
            self.explanation = explanation(self.asked, self.method, net.card, y)
            if y.ndim == 3 and self.asked.place is None:
                score = y[0].max(axis=-1) if self.explanation.target is None else y[0, :, self.explanation.target]
                say(f"the outputs are a sequence of {y.shape[1]} places, which are explained together; the largest is "
                    f"at place {int(score.argmax())}: --place {int(score.argmax())} explains that one alone")
        return y

    def refuse(self, path: Path, net: Network, shape: tuple[int, ...], error: Exception) -> None:
        """Name the input that failed; or end the run, if the method fails on any input of that shape."""
        more, grey = "", np.full((1, *shape), 0.5).astype(np.int64 if self.bytes else np.float32)
        if not isinstance(error, MemoryError):
            try:
                y = outputs(net.forward(grey))
            except OF_ONE_PICTURE:
                more = hint(self.net, self.asked.size)
            else:
                if self.fails(net, grey, y):
                    raise CannotGoOn(f"{self.asked.method} cannot explain this network: {sentence(error)}") from error
        if "outside [low, high]" in str(error):
            error = ValueError("holds numbers beyond 0 to 1, the bounds of a pixel that the method has")
            more = ("; give pixels from 0 to 1, with --mean and --std, or bounds that hold for all your inputs, such "
                    "as --set low=-3 --set high=3")
        self.left_out(path, ValueError(sentence(error) + more))

    def fails(self, net: Network, x: Array, y: Array) -> bool:
        """Whether the method raises something else than that memory is not sufficient."""
        try:
            self.explanation(net, x, y)
        except MemoryError:
            return False
        except OF_ONE_PICTURE:
            return True
        return False

    def pictures(self, pictures: list[Item]) -> None:
        """Explain pictures of one size; if they fail together, each alone."""
        net, x = self.of_pictures, np.concatenate([picture.x for picture in pictures])
        try:
            y = self.outputs(net, x)
            R = self.explanation(net, x, y)
            beside = self.beside(net, x, y, R)
            withheld = self.withheld(net, x, y)
        except OF_ONE_PICTURE as error:
            if len(pictures) == 1:
                self.refuse(pictures[0].path, net, x.shape[1:], error)
            else:
                for picture in pictures:
                    self.pictures([picture])
            return
        for n, picture in enumerate(pictures):
            said = self.found(y, x, n, R[n])
            if beside is not None:
                said["control"] = control.as_record(beside[n][3], self.net.card.label)
            if picture.data is not None:
                text.write(self, picture.path, picture.data, R[n], said)
            elif self.figures:
                draw(self, picture, R[n], said, None if beside is None else beside[n])
            self.save(picture.path, R[n], said)
            shown = self.figures[-1] if self.figures else "relevance.npy"
            say(f"{picture.path}: {self.line(said, withheld[n])}; see {self.names(picture.path, shown)}{picture.more}")

    def line(self, said: Record, withheld: str = "") -> str:
        """The line printed for one input: what the network saw, and what is explained where that is something else."""
        if self.asked.details:
            return f"{said['saw']}, {said['explained']}, relevance sums to {said['relevance sums to']:.3f}{withheld}"
        if not self.net.card.labels or self.net.card.head not in PROBABLE:
            return f"{said['saw']}, {said['explained']}"
        one = self.explanation
        usual = (said["output"] > 0) != one.opposite if one.binary else \
            said["target"] == said["largest output"] and one.plain
        return said["saw"] if usual else f"{said['saw']}, explained {said['what']}"

    def beside(self, net: Network, x: Array, y: Array, R: Array) -> list[Beside] | None:
        """What is shown beside each of the maps R of photographs, see `Beside`; None where nothing is.

        For a single output the controls alone: what speaks against it is in its own map.
        """
        one = self.explanation
        if self.asked.quick or not self.photographs or one is None or one.maps:
            return None
        if self.forgotten is None:
            self.forgotten = control.shuffled(net)
        if y.shape[1] == 1:
            return [(None, r, r, each) for r, each in zip(R, control.controls(one, net, self.forgotten, x, y, R))]
        rivals, targets = one.runners_up(y, x), one.targets(y, x)
        alone = R if one.plain else one.method(net, x, targets, **one.settings)
        rather = one.rather(net, x, y, rivals) if one.plain else R
        return list(zip(map(int, rivals), alone, rather, control.controls(one, net, self.forgotten, x, y, alone)))

    def text(self, item: Item) -> None:
        """Explain the sequences of tokens of one file, one at a time, since they may differ in length."""
        maps, lines, told = [], [], []
        try:
            for n, (x, words) in enumerate(zip(item.inputs, item.words or ())):
                y = self.outputs(self.net, x)
                R = self.explanation(self.net, x, y)[0]
                maps.append(R)
                lines.append(tokens.shown(words, R))
                most = tables.strongest(R, [word.strip() or repr(word) for word in words])
                told.append(f"{item.path}{f', sequence {n}' if len(item.inputs) > 1 else ''}: "
                            f"{self.line(self.found(y, x, 0, R))}, most of it: {most}")
        except OF_ONE_PICTURE as error:
            self.left_out(item.path, ValueError(f"cannot be explained: {sentence(error)}"))
            return
        for line in told[:LINES]:
            say(line)
        text.write_tokens(self, item.path, lines, told)
        self.save(item.path, tokens.together(maps), {"sequences": len(maps), "lengths": [len(R) for R in maps]})
        say(f"{len(maps)} sequence{'s' * (len(maps) > 1)} of tokens explained: "
            f"{self.names(item.path, text.PAGE if self.figures else 'relevance.npy')}")

    def table(self, rows: Item) -> None:
        """Explain a table, row by row in one array."""
        try:
            y = self.outputs(self.net, rows.x)
            R = self.explanation(self.net, rows.x, y)
        except OF_ONE_PICTURE as error:
            self.refuse(rows.path, self.net, rows.x.shape[1:], error)
            return
        if tables.is_table(rows.path):
            results.save_table(self.names(rows.path, "relevance.csv"), R[0] if R.ndim == 3 else R, rows.words)
        what, steps = ("sequence", [f"step {t}" for t in range(R.shape[1])]) if R.ndim == 3 else ("row", None)
        self.save(rows.path, R, {f"{what}s": len(R)})
        for n in range(min(len(R), LINES)):
            most = tables.strongest(R[n].sum(axis=-1) if R.ndim == 3 else R[n], steps or rows.words)
            say(f"{rows.path}, {what} {n}: {self.line(self.found(y, rows.x, n, R[n]))}, most of it: {most}")
        say(f"{len(R)} {what}{'s' * (len(R) > 1)} explained: {self.names(rows.path, 'relevance.npy')}{rows.more}")

    def array(self, item: Item) -> None:
        """Explain the images of one .npy file, piece by piece into another."""
        path, net, asked = self.names(item.path, "relevance.npy"), self.of_pictures, self.asked
        try:
            self.outputs(net, item.x[:1])
            with results.cannot_write(path):
                explain_to(path, net, item.x, self.explanation.of_batch, None, asked.batch_size,
                           workers=asked.workers)
        except OF_ONE_PICTURE as error:
            self.refuse(item.path, net, item.x.shape[1:], error)
            return
        self.record(item.path, {"images": len(item.x)})
        say(f"{len(item.x)} images explained: {path}{item.more}")

    def found(self, y: Array, x: Array, n: int, R: Array) -> Record:
        """What the network saw in input n, and what is explained, in words and numbers."""
        card, asked = self.net.card, self.explanation
        score = asked.scores(y, x)[n]
        k, target = int(score.argmax()), int(asked.targets(y, x)[n])
        told = f"largest output {k} ({float(score[k]):.3f})"
        name = card.label(int(not asked.opposite) if asked.binary else target)
        if card.labels:
            told = probable(card, score)
        against = f" rather than {card.label(asked.versus)}" if asked.versus is not None else ""
        return {"saw": told, "explained": f"explained {name}{against} ({float(score[target]):.3f})",
                "what": visible(name + against), "largest output": k, "output": float(score[k]), "target": target,
                "relevance sums to": float(R.sum())}

    def withheld(self, net: Network, x: Array, y: Array) -> list[str]:
        """The words on what biases and stabilisers withhold in each picture, for methods that have a ledger."""
        rules = rules_of(self.method)
        if not self.asked.details or rules is None or y.ndim != 2:
            return [""] * len(x)
        book = ledger(net, x, self.explanation.targets(y, x), rules, self.explanation.start(y, x), quiet=True)
        totals = [book.image(n).total for n in range(len(x))]
        return [f"; withheld by biases {float(total.absorbed_by_bias):.3f}, by the stabiliser "
                f"{float(total.absorbed_by_stabilizer):.3f}, lost {float(total.created_or_lost):.3f}"
                for total in totals]

    def save(self, path: Path, R: Array, said: Record) -> None:
        results.save(self.names(path, "relevance.npy"), R)
        self.record(path, said)

    def record(self, path: Path, said: Record) -> None:
        digest = self.given[path] if path in self.given else results.digest_of_file(path)
        results.save(self.names(path, "relevance.json"),
                            {"made_by": self.made_by, "input": digest, "found": said})
        self.done += 1


def probable(card: Card, score: Array) -> str:
    """The five most probable labels, in per cent; or that of the largest output, where the network has no head."""
    if card.head not in PROBABLE:
        k = int(score.argmax())
        return f"{card.label(k)} (output {k}: {float(score[k]):.3f})"
    p = squash(card.head, score[None])[0]
    if len(p) == 1:
        p = np.array([1 - p[0], p[0]])
    order = [int(k) for k in np.argsort(-p)[:5]]
    then = ", ".join(f"{card.label(k)} {per_cent(p[k])}" for k in order[1:] if p[k] >= 0.005)
    return f"{card.label(order[0])}, {per_cent(p[order[0]])}" + (f" (then: {then})" if then else "")


def per_cent(p: float) -> str:
    """A probability as people say it."""
    return "over 99 %" if 0.995 <= p else f"{100 * p:.0f} %"


def can_draw() -> bool:
    """Whether Pillow is there; says how to get it, once, if not."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        print("minixnn: the numbers are written, but no pictures: drawing needs Pillow, which is not installed; "
              "install it with: pip install pillow", file=sys.stderr)
        return False
    return True


def draw(run: Run, picture: Item, R: Array, said: Record, beside: Beside | None = None) -> None:
    """PNG files of the heatmap alone and of the heatmap over the picture; of a photograph with what stands beside."""
    from minixnn.cli import drawing
    card, method, one = run.net.card, NAMES[run.asked.method], run.explanation
    what = said["what"] if card.labels else "output " + said["what"]
    title = f"{method}: {what}"
    words = ("red speaks for it", "blue against it") if one.relevance else ("red is above 0", "blue below")
    caption = ", ".join(words if R.min() < 0 else words[:1]) + f"; {drawing.ends_at(R)}"
    results.save(run.names(picture.path, FIGURES[0]), drawing.heatmap(R, title, caption))
    maps, captions, limit = [(title, R)], [caption], None
    if beside is not None:
        rival, alone, rather, compared = beside
        captions = [f"{method}: {caption}", *control.in_words(compared, card.label)]
        target = visible(card.label(said["target"]))
        if rival is not None:
            maps = [(f"What speaks for {target if card.labels else 'output ' + target}", alone),
                    (f"What speaks for it rather than for {visible(card.label(rival))}", rather)]
        elif R.min() < 0:
            against = f"against it, for {visible(card.label(int(one.opposite)))}" if one.binary else "against it"
            R, limit = R.sum(axis=-1, keepdims=True), drawing.flat(R)[1]
            maps = [(f"What speaks for {what}", R.clip(min=0)), (f"What speaks {against}", R.clip(max=0))]
            captions[0] += ", on both sides"
    results.save(run.names(picture.path, FIGURES[1]),
                       drawing.overlays(picture.x[0], maps, captions, limit, run.asked.box))
