"""The model answer of p_value, lesson 5.2."""


def p_value(score, controls):
    return (1 + (controls >= score).sum()) / (1 + len(controls))
