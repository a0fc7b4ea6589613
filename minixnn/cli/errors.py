"""What ends a run, and what ends one picture of it."""


class CannotGoOn(Exception):
    """Nothing more can be done: the call is wrong, or the world is, such as a disk that is full. One sentence."""


# What a picture that does not fit, or too little memory, may raise within the engine. RuntimeError: no more threads.
OF_ONE_PICTURE = (ValueError, TypeError, ArithmeticError, MemoryError, NotImplementedError, OSError, RuntimeError)


def visible(text: object) -> str:
    """Text without what gives orders to a terminal, or cannot be written: names come from files, and say anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def say(words: str) -> None:
    """Print one line."""
    print(visible(words), flush=True)


def sentence(error: BaseException) -> str:
    """What an exception says, on one line; its name, where it says nothing."""
    if isinstance(error, MemoryError):
        return f"memory is not sufficient ({error})" if str(error) else "memory is not sufficient"
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return " ".join(str(error).split()) or type(error).__name__
