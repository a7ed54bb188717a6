"""Draw the picture of the README, which stands for the home page's explorer too: python book/_ext/cover.py."""

from pathlib import Path

from optlib import surfaces, view
from optlib.widget import Explorer

COVER = Path(__file__).parents[1] / "_static" / "cover.png"


def draw() -> view.Picture:
    """Four rules, one start, three valleys."""
    return view.contour(surfaces.himmelblau, Explorer("four-valleys").paths(), width=760)


if __name__ == "__main__":
    draw().save(COVER)
