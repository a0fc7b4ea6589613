r"""Formulas as our docstrings spell them, drawn: "z_jk+ / (z_k + epsilon sgn z_k) R_k" becomes LaTeX.

    names       x_j, w_jk+, w_j'k^2: subscripts after the underscore; + - ^2 that touch the name are superscripts
    sums        sum_k
    quotients   the factors left of / over what follows it: one name, or all that stands in the brackets
    words       a part that holds words of prose is set as text

    latex("R_j = sum_k z_jk / z_k R_k")     R_{j} = \sum_{k} \frac{z_{jk}}{z_{k}} R_{k}
"""
import re

GREEK = {"alpha", "beta", "gamma", "epsilon"}
SIGNS = {">=": r"\ge", "<=": r"\le", "<": "<", ">": ">", ":": r":\;", ",": r",\;"}
TOKEN = re.compile(r"\s*(?:(?P<sum>sum)_(?P<over>\w'?)|(?P<name>[A-Za-z]+)(?:_(?P<sub>[a-z]+(?:'[a-z]*)?))?"
                   r"(?P<sup>\^\d|[+-](?=[\s),]|$))?|(?P<number>\d+)|(?P<sign>>=|<=|[-+=/(),:<>]))")


def latex(text):
    """The LaTeX of one formula. ValueError for a sign that the notation does not have."""
    left, equals, right = text.partition(" = ")
    if equals and "(" not in right and prose(right):        # n_k = how many inputs output k sees
        return rf"{latex(left)} = \text{{{right}}}"
    tokens, at = [], 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"got {text[at:]!r} in the formula {text!r}, expected names, sums, numbers, + - = / ( )")
        tokens.append(found)
        at = found.end()
    drawn, rest = sequence(tokens, text)
    if rest:
        raise ValueError(f"got a bracket too many in the formula {text!r}")
    return drawn


def prose(text):
    """Whether a text holds words, not only names of quantities."""
    return any(len(word) > 2 and word not in GREEK and word not in ("sum", "sgn")
               for word in re.findall(r"(?<![\w'])[a-z]+(?![\w'+^-])", text))


def sequence(tokens, text):
    """(LaTeX up to the end or to a closing bracket, the tokens that are left)."""
    done, factors = [], []                                  # what stands left of the last operator; factors since then
    while tokens and tokens[0][0].strip() != ")":
        token, tokens = tokens[0], tokens[1:]
        sign = token["sign"]
        if sign == "/":
            under, tokens = factor(tokens[0], tokens[1:], text)
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
            one, tokens = factor(token, tokens, text)
            factors.append(one)
    return " ".join([*done, *(whole for _, whole in factors)]), tokens


def factor(token, tokens, text):
    """((a name or the inside of a bracket, the same with its bracket), the tokens that are left)."""
    if token["sign"] == "(":
        inside, depth = "", 1
        for end in range(token.end(), len(text)):
            depth += (text[end] == "(") - (text[end] == ")")
            if not depth:
                inside = text[token.end():end]
                break
        if prose(inside):
            return (rf"\text{{{inside}}}", rf"(\text{{{inside}}})"), [t for t in tokens if t.start() > end]
        inside, tokens = sequence(tokens, text)
        if not tokens:
            raise ValueError(f"got a bracket that is not closed in the formula {text!r}")
        return (inside, rf"\left( {inside} \right)"), tokens[1:]
    if token["number"]:
        return (token["number"],) * 2, tokens
    name = f"\\{token['name']}" if token["name"] in GREEK or token["name"] == "sgn" else token["name"]
    drawn = name + (f"_{{{token['sub']}}}" if token["sub"] else "")
    if token["sup"]:
        drawn += f"^{{{token['sup'].lstrip('^')}}}"
    return (drawn, drawn), tokens
