"""python -m minixnn.models train NAME: the run that made the weights of a shipped network."""
import sys

from minixnn.models.recipes import RECIPES, train

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "train" or sys.argv[2] not in [*RECIPES, "generator"]:
        sys.exit(f"usage: python -m minixnn.models train NAME     NAME: {', '.join([*RECIPES, 'generator'])}")
    train(sys.argv[2])
