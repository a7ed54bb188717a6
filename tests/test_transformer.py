"""The transformer of characters: its gradient, what it may see, what it refuses."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from downhill_course import capstone
from downhill_course.figures import training
from downhill_course.pages import writing
from downhill_course.pages.formulas import NODE
from optlib import Optimizer, data, descend, oracles, rules
from optlib.oracles import check_gradient
from optlib.transformer import Transformer

RNG = np.random.default_rng(0)
BOOK = Path(__file__).parents[1] / "book"
SMALL = Transformer(7, context=6, width=6, heads=2, layers=2)
X, Y = RNG.integers(0, 7, (2, 3, 6))
THETA = 0.5 * RNG.standard_normal(SMALL.size)


@pytest.mark.parametrize(("heads", "layers", "places"), [(2, 2, 6), (1, 1, 6), (3, 1, 4)])
def test_every_gradient_passes_the_check(heads, layers, places):
    model = Transformer(7, context=6, width=6, heads=heads, layers=layers)
    theta, rows, y = 0.5 * RNG.standard_normal(model.size), X[:, :places], Y[:, :places]
    outcome = check_gradient(lambda p: model.loss(p, rows, y), lambda p: model.grad(p, rows, y), theta)
    assert outcome.ok, outcome
    assert outcome.worst < 1e-5


def test_a_place_sees_nothing_that_comes_later():
    later = X.copy()
    later[:, 4:] = (later[:, 4:] + 1) % 7
    before, after = SMALL.logits(THETA, X), SMALL.logits(THETA, later)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 0.1


def test_it_agrees_with_attention_written_out_place_by_place():
    W, ids = SMALL.unpack(THETA), X[0]
    x = W["token"][ids] + W["place"]

    def norm(row):
        return row / np.sqrt(np.mean(row**2) + 1e-6)

    for i in range(2):
        q, k, v = (np.stack([norm(row) @ W[f"qkv{i}"] for row in x])[:, 6 * j : 6 * j + 6] for j in range(3))
        for t in reversed(range(6)):
            heads = []
            for part in (slice(0, 3), slice(3, 6)):
                weight = np.exp([q[t, part] @ k[s, part] / np.sqrt(3) for s in range(t + 1)])
                heads.append(weight / weight.sum() @ v[: t + 1, part])
            x[t] = x[t] + np.concatenate(heads) @ W[f"out{i}"]
        x = x + np.stack([np.maximum(norm(row) @ W[f"up{i}"], 0) ** 2 @ W[f"down{i}"] for row in x])
    logits = np.stack([norm(row) @ W["head"] for row in x])
    np.testing.assert_allclose(SMALL.logits(THETA, X)[0], logits, rtol=1e-12, atol=1e-12)


def test_the_parts_make_up_theta():
    parts = SMALL.parts()
    assert [parts[name][2] for name in ("token", "place", "qkv1", "down0", "head")] == [
        "input", "input", "hidden", "hidden", "output",
    ]  # fmt: skip
    places = np.concatenate([np.arange(SMALL.size)[where] for where, _, _ in parts.values()])
    np.testing.assert_array_equal(places, np.arange(SMALL.size))
    for name, W in SMALL.unpack(THETA).items():
        where, shape, _ = parts[name]
        assert W.shape == shape
        assert np.shares_memory(W, THETA)
        np.testing.assert_array_equal(W.ravel(), THETA[where])


def test_it_works_in_the_precision_of_theta_and_with_the_floats_of_an_oracle():
    theta = THETA.astype(np.float32)
    assert SMALL.grad(theta, X.astype(float), Y).dtype == np.float32
    np.testing.assert_allclose(SMALL.grad(theta, X, Y), SMALL.grad(THETA, X, Y), rtol=1e-3, atol=1e-5)
    assert SMALL.init(0, np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Transformer(1), r"vocabulary=1.*2 or more"),
        (lambda: Transformer(5, width=10, heads=3), r"heads=3 does not divide width=10"),
        (lambda: SMALL.loss(THETA[1:], X, Y), rf"theta has shape \({SMALL.size - 1},\).*needs \({SMALL.size},\)"),
        (lambda: SMALL.loss(THETA, X[0], Y), r"X has shape \(6,\).*\(n, places\), 1 ≤ places ≤ 6"),
        (lambda: SMALL.grad(THETA, np.tile(X, 2), Y), r"X has shape \(3, 12\)"),
        (lambda: SMALL.grad(THETA, X, Y[:, 1:]), r"y has shape \(3, 5\), but X has shape \(3, 6\)"),
        (lambda: SMALL.loss(THETA, X + 7, Y), r"X holds other than whole numbers from 0 to 6"),
        (lambda: SMALL.loss(THETA, X, Y - 0.5), r"y holds other than whole numbers from 0 to 6"),
    ],
)
def test_what_it_refuses(call, told):
    with pytest.raises(ValueError, match=told):
        call()


# --- the model that writes in the page ------------------------------------------------------------

ASK = """
const { unpack, logits, drawn } = globalThis.downhillWriterModel;
const told = globalThis.downhillWriter;
const answers = {};
for (const [language, texts] of Object.entries(JSON.parse(process.argv.at(-1)))) {
  const model = unpack(told[language]);
  answers[language] = texts.map((ids) => Array.from(logits(model, ids)));
}
answers.drawn = [0, 0.3, 0.9, 1].map((chance) => drawn(Float64Array.of(0, Math.log(3)), 1, chance));
process.stdout.write(JSON.stringify(answers));
"""


def test_the_page_computes_numpys_logits():
    texts = {}
    for language in ("en", "zh"):
        test = data.prose(language).test
        texts[language] = [test[:1].tolist(), test[5:12].tolist(), test[100:132].tolist(), test[100:140].tolist()]
    bundles = json.dumps({language: writing.bundle(language) for language in texts})
    script = f"globalThis.downhillWriter = {bundles};\n{(BOOK / '_static' / 'writer.js').read_text('utf-8')}\n{ASK}"
    done = subprocess.run(
        [str(NODE), "--input-type=commonjs", "-", json.dumps(texts)],
        input=script,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-1000:]
    answers = json.loads(done.stdout)
    for language, asked in texts.items():
        model = Transformer(len(data.prose(language).alphabet))
        theta = training.weights(language, model.parts())
        for ids, found in zip(asked, answers[language], strict=True):
            np.testing.assert_allclose(found, model.logits(theta, [ids[-32:]])[0, -1], rtol=1e-9, atol=1e-9)
    assert answers["drawn"] == [0, 1, 1, 1]


def test_the_stored_models_are_small_and_have_learnt():
    for language, best in (("en", 1.6), ("zh", 3.7)):
        text = data.prose(language)
        model = Transformer(len(text.alphabet))
        assert (
            model.loss(training.weights(language, model.parts()), *data.windows(text.test[:4000], 32, every=32)) < best
        )
    assert len(json.dumps(writing.bundle("en"))) < 100_000


# --- what chapter 12 promises ---------------------------------------------------------------------


def cell(begins: str) -> str:
    """A cell of the chapter as it stands, up to the first line that needs a cell before it."""
    cells = ["".join(c["source"]) for c in json.loads((BOOK / "12-train.ipynb").read_text("utf-8"))["cells"]]
    (source,) = (source for source in cells if source.startswith(begins))
    return source.partition("\nlong = ")[0]


def test_what_the_long_training_says_are_words():
    """By the chapter's own cells: of 200 characters, at least four fifths of the words occur in the course."""
    text = data.prose("en")
    model = Transformer(len(text.alphabet))
    names = {"np": np, "text": text, "n": len(text.alphabet), "model": model}
    exec(cell("def speak(") + "\n" + cell("def words("), names)
    speak, words, known = (names[name] for name in ("speak", "words", "known"))
    theta = training.weights("en", model.parts())
    for seed in range(8):
        said = speak(theta, 0.7, seed=seed)
        assert np.mean([word in known for word in words(said)[:-1]]) >= 0.8, said
    scattered = speak(model.init(0), 0.7)
    assert np.mean([word in known for word in words(scattered)[:-1]]) < 0.5, "the count tells words from none"


def test_a_training_is_the_same_bit_for_bit_with_its_seed():
    text = data.prose("en")
    model = Transformer(len(text.alphabet))
    names = {"model": model, "oracles": oracles, "Optimizer": Optimizer, "descend": descend}
    names["X"], names["y"] = data.windows(text.train, 32)
    exec(cell("def train(").partition("\ndef held_out")[0], names)
    one, same = (names["train"](rules.momentum, 0.2, 10, clip=1)[-1] for _ in range(2))
    assert one.tobytes() == same.tobytes()
    assert np.abs(one - model.init(seed=0)).max() > 0.001


def test_the_table_of_optimizers_is_fair_and_has_a_spread():
    """As many rates for each, the best inside them, other seeds than those reported, five of them."""
    assert not set(capstone.TUNED_ON) & set(capstone.REPORTED_ON)
    found = training.stored("contest")
    assert list(found) == list(capstone.ENTRIES)
    for name, row in found.items():
        low = capstone.ENTRIES[name][1]
        rates = [float(rate) for rate in row["tried"]]
        np.testing.assert_allclose(rates, low * 2.0 ** np.arange(capstone.TRIES), rtol=1e-5)
        best = min(row["tried"], key=lambda rate: np.mean(row["tried"][rate]))
        assert row["rate"] == float(best)
        assert float(best) in rates[1:-1], (name, "the best rate lies at the grid's edge")
        ends = [curve[-1] for curve in row["curves"]]
        assert len(set(ends)) == len(capstone.REPORTED_ON)
    printed = str(json.loads((BOOK / "12-train.ipynb").read_text("utf-8")))
    for row in found.values():
        ends = [curve[-1] for curve in row["curves"]]
        assert f"{np.median(ends):.2f} ({min(ends):.2f} to {max(ends):.2f})" in printed.replace("\\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AdamW", "Muon", "SOAP"])
def test_the_stored_contest_comes_out_again(name):
    row = training.stored("contest")[name]
    found = capstone.attempt((name, row["rate"], 0))["curve"][-1][1]
    assert found == pytest.approx(row["curves"][0][-1], abs=0.02)  # another machine rounds float32 otherwise
