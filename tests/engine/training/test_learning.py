"""Every built-in network learns every built-in dataset it is meant for; the numbers are those that are known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from engine.data.config import BuiltinData
from engine.data.load import load as load_data
from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.models.load import load
from engine.models.order import require_order
from engine.studies.training.config import TrainConfig
from engine.studies.training.study import Train
from engine.training.config import Optimiser
from tests.engine.fakes import FakeRun

SGD = Optimiser(learning_rate=0.05)
ADAM = Optimiser(method="adam", learning_rate=0.005, weight_decay=0.0)


def trained(folder, **settings):
    config = TrainConfig(**({"batch_size": 32, "versions": 0, "evaluations": 1, "snapshots": 2} | settings))
    run = FakeRun(folder, config.seed)
    Train().run(config, run)
    return {name: value for name, (value, _, _) in run.scalars.items()}, run


@pytest.mark.parametrize(
    ("model", "optimiser", "epochs", "least"),
    [
        (Mlp(), SGD, 15, 94),
        (Mlp(widths=(32, 32), activation="gelu", batch_norm=True), SGD, 8, 93),
        (Cnn(channels=(4, 8), hidden=32), SGD, 10, 92),
        (Resnet(width=4, blocks=1), SGD, 4, 92),
        (Resnet(width=4, blocks=1, batch_norm=False), SGD, 6, 85),
        (Transformer(dim=16, depth=1, heads=2), ADAM, 10, 85),
    ],
    ids=lambda value: getattr(value, "builder", None),
)
def test_digits(tmp_path, model, optimiser, epochs, least):
    values, run = trained(tmp_path, model=model, optimiser=optimiser, epochs=epochs)
    assert values["test_accuracy"] > least and run.warnings == []


@pytest.mark.parametrize(("name", "least"), [("moons", 95), ("iris", 90), ("wine", 93), ("breast_cancer", 93)])
def test_tables(tmp_path, name, least):
    data = BuiltinData(name=name, samples=400)
    values, run = trained(tmp_path, model=Mlp(widths=(16,)), data=data, epochs=40)
    assert values["test_accuracy"] > least
    require_order(load(run.last("model")))


def test_a_linear_network_reaches_the_optimum_of_logistic_regression(tmp_path):
    data = BuiltinData(name="wine")
    optimiser = Optimiser(learning_rate=0.4, weight_decay=0.01, schedule="cosine")
    values, run = trained(tmp_path, model=Mlp(widths=()), data=data, optimiser=optimiser, epochs=400, batch_size=1000)
    ready = load_data(data)
    # The decay holds the bias too, so it is a weight of a constant column here.
    x_train, x_test = (np.column_stack([x.astype(np.float64), np.ones(len(x))]) for x in (ready.x_train, ready.x_test))
    oracle = LogisticRegression(C=1 / (0.01 * len(x_train)), fit_intercept=False, max_iter=2000, tol=1e-10)
    oracle.fit(x_train, ready.y_train)
    weights = run.last("model").weights
    ours = np.column_stack([weights["output.weight"], weights["output.bias"]])
    np.testing.assert_allclose(ours, oracle.coef_, atol=2e-3)
    assert values["test_accuracy"] == pytest.approx(100 * oracle.score(x_test, ready.y_test), abs=0.01)


def test_noisy_labels_are_memorised_by_wide_networks_only(tmp_path):
    data = BuiltinData(subset=0.2, label_noise=0.3)
    fits = {}
    for width in (2, 128):
        values, _ = trained(tmp_path, model=Mlp(widths=(width,)), data=data, epochs=80, optimiser=SGD, batch_size=16)
        fits[width] = values["train_accuracy"]
    assert fits[2] < 75 and fits[128] > 97


def test_a_full_batch_step_with_a_small_rate_descends(tmp_path):
    optimiser = Optimiser(learning_rate=0.01, momentum=0.0, schedule="constant", weight_decay=0.0)
    _, run = trained(tmp_path, data=BuiltinData(name="iris"), epochs=30, batch_size=1000, optimiser=optimiser)
    losses = [value for _, value in run.series["minibatch_loss"]]
    assert np.all(np.diff(losses) < 0)
    steps = np.array([value for _, value in run.series["step_norm"]])
    # For plain gradient descent the loss falls by about the rate times the squared gradient.
    predicted = steps[:-1] ** 2 / 0.01
    np.testing.assert_allclose(-np.diff(losses), predicted, rtol=0.1)
