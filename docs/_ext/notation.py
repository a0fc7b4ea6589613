r"""Formulas as our docstrings spell them, drawn: "z_jk+ / (z_k + epsilon sgn z_k) R_k" becomes LaTeX.

    names       x_j, w_jk+, w_j'k^2: subscripts after the underscore; + - ^2 that touch the name are superscripts
    sums        sum_k
    quotients   the factors left of / over what follows it: one name, or all that stands in the brackets
    words       three or more in a bracket, or right of the equals sign, are set as text

    latex("R_j = sum_k z_jk / z_k R_k")     R_{j} = \sum_{k} \frac{z_{jk}}{z_{k}} R_{k}
"""
import re

GREEK = {"alpha", "beta", "gamma", "epsilon"}
SIGNS = {">=": r"\ge", "<=": r"\le", "<": "<", ">": ">", ":": r":\;", ",": r",\;"}
WORDS = r"[a-z]+(?:,? [a-z]+){2,}"                          # three or more, with nothing but blanks and commas between
TOKEN = re.compile(rf"\s*(?:\((?P<words>{WORDS})\)|(?P<sum>sum)_(?P<over>\w'?)"
                   r"|(?P<name>[A-Za-z]+)(?:_(?P<sub>[a-z]+(?:'[a-z]*)?))?(?P<sup>\^\d|[+-](?=[\s),]|$))?"
                   r"|(?P<number>\d+)|(?P<sign>>=|<=|[-+=/(),:<>]))")


def latex(text):
    """The LaTeX of one formula. ValueError for a sign that the notation does not have."""
    if in_words(text):
        left, right = text.split(" = ")
        return rf"{latex(left)} = \text{{{right}}}"
    tokens, at = [], 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"got {text[at:]!r} in the formula {text!r}, expected names, sums, numbers, + - = / ( )")
        tokens.append(found)
        at = found.end()
    try:
        drawn, rest = sequence(tokens)
    except IndexError:
        raise ValueError(f"got the formula {text!r}, which ends within a bracket or a quotient") from None
    if rest:
        raise ValueError(f"got a bracket too many in the formula {text!r}")
    return drawn


def in_words(text):
    """Whether what stands right of the equals sign is prose: n_k = how many inputs output k sees"""
    return bool(re.search(rf" = {WORDS}$", text))


def sequence(tokens):
    """(LaTeX up to the end or to a closing bracket, the tokens that are left)."""
    done, factors = [], []                                  # what stands left of the last operator; factors since then
    while tokens and tokens[0][0].strip() != ")":
        token, tokens = tokens[0], tokens[1:]
        sign = token["sign"]
        if sign == "/":
            under, tokens = factor(tokens[0], tokens[1:])
            over = factors[0][0] if len(factors) == 1 else " ".join(whole for _, whole in factors)
            quotient = rf"\frac{{{over}}}{{{under[0]}}}"
            factors = [(quotient, quotient)]
        elif sign and sign != "(":
            done += [*(whole for _, whole in factors), SIGNS.get(sign, sign)]
            factors = []
        elif token["sum"]:
            done += [*(whole for _, whole in factors), rf"\sum_{{{token['over']}}}"]
            factors = []
        else:
            one, tokens = factor(token, tokens)
            factors.append(one)
    return " ".join([*done, *(whole for _, whole in factors)]), tokens


def factor(token, tokens):
    """((a name or the inside of a bracket, the same with its bracket), the tokens that are left)."""
    if token["words"]:
        return (rf"\text{{{token['words']}}}", rf"(\text{{{token['words']}}})"), tokens
    if token["sign"] == "(":
        inside, rest = sequence(tokens)
        if not rest:
            raise IndexError("the closing bracket is missing")
        return (inside, rf"\left( {inside} \right)"), rest[1:]
    if token["number"]:
        return (token["number"],) * 2, tokens
    name = f"\\{token['name']}" if token["name"] in GREEK or token["name"] == "sgn" else token["name"]
    drawn = name + (f"_{{{token['sub']}}}" if token["sub"] else "")
    if token["sup"]:
        drawn += f"^{{{token['sup'].lstrip('^')}}}"
    return (drawn, drawn), tokens
