"""Which input does the network respond to most? Images made to maximise an output: prototypes of its classes.

    prototype = activation_maximization(net, target=range(10), shape=(28, 28, 1))
    prototype.image                             # (10, 28, 28, 1): ten images, optimised side by side
    print(prototype)                            # class, p(class), first and last cost

Three ways, from Montavon et al. 2018, sections 3.1 to 3.3. Each adds more knowledge of what images look like:

    activation_maximization     pixels change freely, only kept small, or near the mean of the class
    with_expert                 a density model of the data says how likely the image is
    in_code_space               the code of a generator changes, which can draw only digits; pixels follow

The loop is written out in each. It climbs the objective with `passes.gradient`, the same pass that explains.
"""
from minixnn.synthesis import density, generator
from minixnn.synthesis.activation_maximization import (Prototype, activation_maximization, class_means, in_code_space,
                                                       log_probability, logit, near_best_centre, with_expert)

__all__ = ["Prototype", "activation_maximization", "class_means", "density", "generator", "in_code_space",
           "log_probability", "logit", "near_best_centre", "with_expert"]
