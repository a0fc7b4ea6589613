"""What ends a run, and what ends one picture of it."""


class CannotGoOn(Exception):
    """The run cannot go on: the call is wrong, say, or the disk is full. One sentence."""


# What a picture that does not fit, or too little memory, may raise within the engine. RuntimeError: no more threads.
OF_ONE_PICTURE = (ValueError, TypeError, ArithmeticError, MemoryError, NotImplementedError, OSError, RuntimeError)


def visible(text: object) -> str:
    """Text in which control characters are escaped: names are read from files, and may hold anything."""
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
