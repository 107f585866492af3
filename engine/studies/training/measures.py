"""The measures of training: losses, accuracies, lengths of steps."""

from __future__ import annotations

from engine.studies.contract import Measure

MEASURES: tuple[Measure, ...] = (
    Measure(
        "train_loss", "Training loss", "L_train", "nat",
        "Mean loss over all training examples in evaluation mode, without weight decay; cross-entropy in nats for the "
        "built-in losses, whatever the model file's loss() returns otherwise.",
        "Goodfellow, Bengio and Courville 2016, section 5.5", better="lower",
    ),
    Measure(
        "test_loss", "Test loss", "L_test", "nat",
        "Mean loss over all held-out examples in evaluation mode, without weight decay.",
        "Goodfellow, Bengio and Courville 2016, section 5.2", better="lower",
    ),
    Measure(
        "train_accuracy", "Training accuracy", "acc_train", "%",
        "Share of the training examples whose largest output is the (possibly noisy) label.",
        "Goodfellow, Bengio and Courville 2016, section 5.1", better="higher",
    ),
    Measure(
        "test_accuracy", "Test accuracy", "acc_test", "%",
        "Share of the held-out examples whose largest output is the label; the interval is Wilson's at 95 %, "
        "for the test set as the only source of randomness.",
        "Wilson 1927, Probable inference, J. Am. Stat. Assoc. 22", better="higher",
    ),
    Measure(
        "generalisation_gap", "Generalisation gap", "L_test - L_train", "nat",
        "Test loss minus training loss, both in evaluation mode.",
        "Jiang et al. 2020, Fantastic generalization measures, section 2", better="lower",
    ),
    Measure(
        "accuracy_gap", "Accuracy gap", "acc_train - acc_test", "%",
        "Training accuracy minus test accuracy, in percentage points.",
        "Jiang et al. 2020, Fantastic generalization measures, section 2", better="lower",
    ),
    Measure(
        "minibatch_loss", "Minibatch loss", "L_B", "nat",
        "Loss of the batch that a step was made from, before the step, in training mode.",
        "Bottou, Curtis and Nocedal 2018, Optimization methods for large-scale machine learning, section 3", better="lower",
    ),
    Measure(
        "step_norm", "Step length", "‖w_{t+1} - w_t‖", "",
        "Euclidean length of one optimiser step over all trainable parameters, float64, recorded at every step.",
        "Hodgkinson et al. 2022, Generalization bounds using lower tail exponents, section 3",
    ),
    Measure(
        "displacement", "Displacement", "‖w_t - w_0‖", "",
        "Euclidean distance of the trainable parameters from their initial values, float64, recorded at every step.",
        "Hoffer, Hubara and Soudry 2017, Train longer, generalize better, section 3",
    ),
    Measure(
        "learning_rate", "Learning rate", "η_t", "",
        "Step size that the schedule gives at this step.",
        "Robbins and Monro 1951, A stochastic approximation method",
    ),
    Measure(
        "parameters", "Parameters", "P", "",
        "Number of trainable numbers of the network.",
        "own: a count", digits=12,
    ),
    Measure(
        "updates", "Steps", "T", "",
        "Number of optimiser steps made.",
        "own: a count", digits=12,
    ),
)
