"""One file for each library: what it is called, what it offers, and how it is asked.

    name, version               of the library
    offers(rule, layer)         whether it claims to have this rule for this layer (a dictionary of the vectors)
    build(layer)                the layer or network as its own object; one for all tests of a group
    explain(model, rule, x, R, **knobs)     the relevance of x, of a network a list with one beside each array of A if
                                            it can tell; x, R and the answer are nested lists or arrays, channels first
    NOTES                       {rule: the settings used, what the documentation claims}

`explain` may raise NotOffered where only the case shows that the library cannot be asked. Of DeepLIFT, knobs has x_ref.
"""


class NotOffered(Exception):
    """The library cannot be asked this."""
