"""All comparisons of one method in two libraries: those that must agree, and those known to differ, with the reason."""
from tests.peers import attention_side, autograd_side, captum_side, deeplift_side, zennit_side

EVERYTHING = [comparison for side in (autograd_side, zennit_side, captum_side, deeplift_side, attention_side)
              for comparison in side.COMPARISONS]
SAME = [comparison for comparison in EVERYTHING if comparison.explained is None]
DIFFERENT = [comparison for comparison in EVERYTHING if comparison.explained is not None]
