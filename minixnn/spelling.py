"""What a misspelt name may mean."""
import difflib
from collections.abc import Iterable


def meant(word: str, known: Iterable[str]) -> str:
    """What a misspelt name may mean, as the end of a sentence.

    Parameters
    ----------
    word : the name as it was given.
    known : the names that there are.

    Returns
    -------
    "; did you mean ...?" with at most three of the known names that look like the word; "" where none does.

    Examples
    --------
    >>> meant("lrp_epsilom", ["lrp_epsilon", "gradient"])
    '; did you mean lrp_epsilon?'
    """
    names = {name.casefold().replace("-", "_").replace(" ", "_"): name for name in known}
    word = word.casefold().replace("-", "_").replace(" ", "_")
    near = difflib.get_close_matches(word, names, 3, 0.7)
    near = list(dict.fromkeys([*near, *(name for name in names if len(word) > 2 and word in name)]))[:3]
    return f"; did you mean {' or '.join(names[name] for name in near)}?" if near else ""
