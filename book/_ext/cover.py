"""Draw the picture of the README: python book/_ext/cover.py."""

from pathlib import Path

from optlib import Optimizer, descend, rules, surfaces, view

WALKS = (
    Optimizer(rules.sgd, lr=0.005),
    Optimizer(rules.momentum, lr=0.005),
    Optimizer(rules.nag, lr=0.013),
    Optimizer(rules.adam, lr=0.35),
)


def main() -> None:
    """Four rules, one start, three valleys."""
    f = surfaces.himmelblau
    paths = {opt.rule.__name__: descend(opt, f.grad, [0.388, -0.604], steps=150) for opt in WALKS}
    view.contour(f, paths, width=760).save(Path(__file__).parents[1] / "_static" / "cover.png")


if __name__ == "__main__":
    main()
