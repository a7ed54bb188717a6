"""Draw the picture of the README, which stands for the home page's explorer too, and the icon of the site."""

import argparse

from downhill_course.project import BOOK
from downhill_course.publish.cards import touch_icon
from optlib import surfaces, view
from optlib.widget import Explorer

COVER = BOOK / "_static" / "cover.png"


def draw() -> view.Picture:
    """Four rules, one start, four valleys."""
    return view.contour(surfaces.himmelblau, Explorer("four-valleys").paths(), width=760)


def main(arguments: list[str] | None = None) -> int:
    argparse.ArgumentParser("downhill cover", description=__doc__).parse_args(arguments)
    draw().save(COVER)
    touch_icon().save(BOOK / "_static" / "touch-icon.png", optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
