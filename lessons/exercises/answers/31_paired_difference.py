"""The model answer of paired_difference, lesson 5.2."""
import numpy as np


def paired_difference(a, b):
    d = a - b
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))
