"""What is told about a lesson where one chooses: its question, time, prerequisites, picture; and ways through."""
import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
CHAPTERS = {0: "The engine", 1: "What does a class look like?", 2: "Decomposing a decision",
            3: "Looking through the gradient", 4: "Where is it? Class activation maps",
            5: "Is an explanation any good?", 6: "Beyond", 7: "Networks in use"}
# name, about what, numbers of lessons; a number whose lesson is not there is left out.
PATHS = [("One lecture", "from the question to the controls", ["0_0", "2_2", "2_3", "5_2"]),
         ("One week", "three or four lessons a day",
          ["0_0", "0_1", "0_3", "1_1", "2_1", "2_2", "2_3", "2_4", "2_5", "3_2", "3_4", "3_5", "4_1", "4_2", "5_1",
           "5_2", "6_1", "6_4", "6_5", "7_1", "7_2", "7_4"]),
         ("LRP only", "the rules, their proofs and their limits",
          ["0_1", "2_2", "2_3", "2_4", "6_1", "6_2", "6_3", "5_2", "6_4", "6_6", "6_7", "7_1", "7_2", "7_4", "7_5",
           "7_6"])]
QUESTIONS = {
    "0_0": "Where in the picture does the answer come from?",
    "0_1": "What does a network compute, and what can be read off on the way?",
    "0_2": "How do I know that a gradient is right?",
    "0_3": "How does a network learn to read digits?",
    "1_1": "Which image does the network take for the best 3?",
    "1_2": "Does that image look like a 3 if it must also be likely?",
    "1_3": "And if only images count that a generator can draw?",
    "2_1": "Which pixels change the output most?",
    "2_2": "When does gradient x input add up to the output?",
    "2_3": "How is an output handed back to the pixels, and by which rule?",
    "2_4": "Why these rules and no others?",
    "2_5": "What if a neuron is saturated and has no gradient?",
    "3_1": "Which pattern in the image made this neuron fire?",
    "3_2": "Where is the output steep, and what would a class like to see?",
    "3_3": "Why are these pictures so clean, and should that be trusted?",
    "3_4": "What does a gradient miss, and how does a path collect it?",
    "3_5": "Why does noise in the input remove noise from the heatmap?",
    "4_1": "Can a network that only learned what show where?",
    "4_2": "And if it has no global average pooling?",
    "4_3": "What do the two plus signs change?",
    "5_1": "Does the explanation jump where the output does not?",
    "5_2": "Does the output fall when the relevant part is removed?",
    "6_1": "Why does my heatmap not sum to the logit?",
    "6_2": "Why do two libraries give different numbers under one name?",
    "6_3": "How do I write a rule, and find out whether it is any good?",
    "6_4": "Which methods notice that the network has forgotten everything?",
    "6_5": "How can an explanation mislead?",
    "6_6": "Does a heatmap explain the function, or the way it is written?",
    "6_7": "Which concept did this channel see, and does the class need it?",
    "6_8": "What do a thousand heatmaps say together?",
    "7_1": "Why does a network that people use say Egyptian cat?",
    "7_2": "Why does hardly anything of a logit arrive at the pixels of a deep network?",
    "7_3": "Which bytes make a network take a file for Python?",
    "7_4": "How is relevance handed back through attention?",
    "7_5": "Where does a transformer look, and does that explain what it decides?",
    "7_6": "Which part of a network carried its answer, and how cheaply can that be told?",
}
# Which figure stands for a lesson, and which part of it: left, top, right, bottom in hundredths. Else the first, whole.
THUMBNAILS = {
    "0_0": (1, 15, 12, 62, 90), "0_1": (1, 0, 5, 100, 100), "0_2": (1, 0, 0, 100, 100), "0_3": (3, 0, 0, 100, 100),
    "1_1": (2, 0, 52, 54, 100), "1_2": (4, 9, 3, 57, 60), "1_3": (3, 0, 4, 55, 100), "2_1": (2, 0, 5, 60, 96),
    "2_2": (3, 0, 5, 56, 92), "2_3": (2, 0, 3, 92, 58), "2_4": (1, 0, 9, 64, 100), "2_5": (2, 0, 5, 61, 68),
    "3_1": (3, 0, 5, 53, 42), "3_2": (3, 0, 8, 57, 92), "3_3": (3, 0, 7, 90, 94),
    "3_4": (3, 0, 4, 75, 60), "3_5": (1, 0, 3, 74, 61), "4_1": (2, 0, 5, 56, 90), "4_2": (1, 0, 5, 53, 97),
    "4_3": (2, 0, 5, 46, 96), "5_1": (3, 0, 3, 92, 96), "5_2": (1, 0, 3, 61, 60), "6_1": (2, 0, 0, 100, 100),
    "6_2": (3, 0, 0, 100, 100), "6_3": (1, 0, 4, 53, 72), "6_5": (3, 0, 4, 53, 72), "6_6": (1, 0, 5, 62, 98),
    "6_7": (1, 0, 12, 37, 90), "6_8": (2, 0, 6, 52, 96), "7_4": (2, 0, 0, 100, 100),
    "7_6": (1, 0, 13, 100, 100),
}
WORDS_A_MINUTE, CODE_LINES_A_MINUTE = 100, 5


def number(stem):
    return "_".join(stem.split("_")[:2])


def found(numbers, every):
    """The lessons that have these numbers, in this order."""
    return [stem for wanted in numbers for stem in every if number(stem) == wanted]


def promise(docstring):
    """What the lesson says that one will see, to the end of the sentence."""
    text = " ".join(docstring.partition("**You will see**")[2].partition("\n\n")[0].split())
    return re.split(r"\.(?: |$)", text)[0]


def question(stem, docstring):
    """The question of a lesson in one line; what one will see, shortened, where none is written yet."""
    seen = re.split(r"[;:]", promise(docstring))[0]
    return QUESTIONS.get(number(stem)) or seen[:1].upper() + seen[1:] + "."


def before(docstring):
    """What the lesson builds on, as it says, without the final stop."""
    text = " ".join(docstring.partition("**Before this:**")[2].partition("\n\n")[0].split())
    return re.split(r"\.(?: [A-Z]|$)", text)[0].replace("``", "`")


def minutes(text):
    """How long a lesson takes to read and run: an estimate from its words and lines of code, in steps of five."""
    body = text.splitlines()[ast.parse(text).body[0].end_lineno:]
    code = sum(1 for line in body if line.strip() and not line.startswith("#"))
    words = sum(len(line.split()) - 1 for line in body if line.startswith("# ") and line != "# %%")
    return max(5, 5 * round((words / WORDS_A_MINUTE + code / CODE_LINES_A_MINUTE) / 5))


def thumbnail(stem):
    """Where the small picture of a lesson lies."""
    return ROOT / "docs" / "images" / "lessons" / f"{stem}.webp"
