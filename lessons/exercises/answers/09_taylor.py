"""The model answer of taylor, lesson 2.2."""
import numpy as np


def taylor(gradient, x, root):
    return gradient(root) * (x - root)
