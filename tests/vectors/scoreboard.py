"""The scoreboard: rule by rule, library by library, how many vectors agree."""
from . import runner

LIBRARIES = ("minixnn", "zennit", "captum", "lxt", "autolrp", "innvestigate", "deeplift", "lrp_toolbox")


def counts(results):
    """{rule: {verdict: how many}}"""
    found = {}
    for result in results:
        row = found.setdefault(result.rule, dict.fromkeys(runner.VERDICTS, 0))
        row[result.verdict] += 1
    return found


def lines(results):
    """A table for the terminal."""
    out = [f"{'rule':26}" + "".join(f"{verdict:>20}" for verdict in runner.VERDICTS)]
    table = counts(results)
    sums = {verdict: sum(row[verdict] for row in table.values()) for verdict in runner.VERDICTS}
    for rule, row in [*table.items(), ("all", sums)]:
        out.append(f"{rule:26}" + "".join(f"{row[verdict] or '.':>20}" for verdict in runner.VERDICTS))
    return "\n".join(out)


def write(path):
    raise NotImplementedError
