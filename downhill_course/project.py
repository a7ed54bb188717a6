"""Where the course lies on this machine: the checkout with its book and its exercises."""

from pathlib import Path


def checkout() -> Path:
    """The folder that holds the book: the one of this package, else the nearest above the current one.

    An installed wheel has no book; a command that needs one is then run inside a checkout. Without any, the folder
    of the package, where nothing will be found.
    """
    own = Path(__file__).resolve().parents[1]
    around = (own, *(folder.resolve() for folder in (Path.cwd(), *Path.cwd().parents)))
    return next((folder for folder in around if (folder / "_toc.yml").is_file()), own)


ROOT = checkout()
BOOK = ROOT / "book"
EXERCISES = ROOT / "exercises"
