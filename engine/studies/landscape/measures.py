"""The landscape study's measures."""

from engine.studies.contract import Measure

LI = "Li et al. 2018, Visualizing the Loss Landscape of Neural Nets, section 4"

MEASURES = (
    Measure(
        "plane_loss_centre", "Loss at the model", "L(0, 0)", "nat",
        "Mean training loss at the centre of the plane, which is the model itself.", LI, better="lower",
    ),
    Measure(
        "plane_loss_min", "Lowest loss on the plane", "min L", "nat",
        "Smallest mean training loss among the grid points evaluated so far.", LI, better="lower",
    ),
    Measure(
        "plane_loss_max", "Highest loss on the plane", "max L", "nat",
        "Largest finite mean training loss among the grid points evaluated so far.", LI,
    ),
    Measure(
        "plane_nonfinite", "Points without a finite loss", "", "%",
        "Share of the evaluated grid points whose loss overflowed or is undefined; they are left blank.",
        "own: tells how much of the picture is missing", digits=3,
    ),
    Measure(
        "line_loss_min", "Lowest loss on the line", "min L", "nat",
        "Smallest mean training loss among the points of the line.", LI, better="lower",
    ),
    Measure(
        "line_offset_min", "Where the line is lowest", "α*", "",
        "Position of the lowest training loss on the line, in units of the direction; 0 is the model.", LI,
    ),
    Measure(
        "explained_variance", "Path variance in the plane", "", "%",
        "Share of the optimiser's path (its centred weight snapshots) that both principal axes hold.",
        LI + ", section 7.2", digits=3, better="higher",
    ),
    Measure(
        "path_residual", "Distance of the path from the plane", "r", "",
        "Largest Euclidean distance between a weight snapshot and its projection onto the plane, relative to the"
        " length of the path's displacement.",
        "own: a projected path looks closer to the plane than it is", digits=3, better="lower",
    ),
    Measure(
        "lambda_max", "Largest eigenvalue", "λ max", "",
        "Largest eigenvalue of the curvature matrix (Hessian or Gauss-Newton, as told) of the mean training loss at the"
        " model, by Lanczos; the interval is the residual bound.",
        "Yang et al. 2021, section 3.1; Wu and Simon 2000 for the algorithm", digits=5, better="lower",
    ),
    Measure(
        "lambda_min", "Smallest eigenvalue", "λ min", "",
        "Smallest eigenvalue of the same matrix; clearly below zero at a saddle or before convergence.",
        "Wu and Simon 2000", digits=5,
    ),
    Measure(
        "curvature_trace", "Trace", "tr H", "",
        "Sum of all eigenvalues of the curvature matrix: exact on the leading Krylov space, sampled with signs for"
        " the rest; 95 % Student interval over the probes.",
        "Yang et al. 2021, section 3.1; Meyer et al. 2021, Hutch++", better="lower",
    ),
    Measure(
        "negative_mass", "Negative mass", "", "%",
        "Share of the sum of absolute eigenvalues that is negative, from stochastic Lanczos quadrature.",
        "Ghorbani et al. 2019, section 4", digits=3,
    ),
    Measure(
        "layer_trace", "Trace of a layer", "tr H_l", "",
        "Sum of the diagonal of one layer's block of the curvature matrix; 95 % Student interval over the probes.",
        "Meyer et al. 2021, Hutch++, restricted to a block", digits=3,
    ),
    Measure(
        "mc_error", "Connectivity (error)", "mc", "pp",
        "In percentage points: mean training error of both ends minus the training error where the curve deviates most"
        " from it: below 0 a barrier, near 0 connected, above 0 the ends were not at the bottom.",
        "Yang et al. 2021, equation 4, with training error as in their figures", digits=3, better="higher",
    ),
    Measure(
        "mc_loss", "Connectivity (loss)", "mc", "nat",
        "The same as connectivity (error), with the mean training loss.",
        "Yang et al. 2021, equation 4", digits=3, better="higher",
    ),
    Measure(
        "barrier_loss", "Barrier", "", "nat",
        "Largest training loss on the curve minus that of the straight mix of its ends at the same place.",
        "Frankle et al. 2020, Linear Mode Connectivity, section 2", digits=3, better="lower",
    ),
    Measure(
        "curve_loss", "Training loss of the curve", "", "nat",
        "Mean training loss over the curve after its bends were trained; tells whether they converged.",
        "Garipov et al. 2018, equation 2", digits=4, better="lower",
    ),
    Measure(
        "cka", "CKA between networks", "CKA", "",
        "Linear centred kernel alignment of what the networks make of the same inputs, mean over ordered pairs of"
        " networks; 1 alike up to rotation and scale, 0 unrelated.",
        "Kornblith et al. 2019, equation 4; as used by Yang et al. 2021, section 3", digits=3, better="higher",
    ),
    Measure(
        "weight_distance", "Distance of weights", "‖θ − θ′‖", "",
        "Euclidean distance of two networks' weights, mean over pairs; without meaning under batch normalisation.",
        "Yang et al. 2021, appendix", digits=4,
    ),
    Measure(
        "disagreement", "Disagreement", "", "%",
        "Share of inputs to which two networks give different answers, mean over pairs.",
        "Fort, Hu and Lakshminarayanan 2019, section 4", digits=3, better="lower",
    ),
    Measure(
        "epsilon_sharpness", "Sharpness (box)", "φ", "%",
        "100 (max L(w + y) − L(w)) / (1 + L(w)) over the box |y| ≤ ε (|w| + 1), by projected ascent: a lower bound.",
        "Keskar et al. 2017, metric 2.1", digits=3, better="lower",
    ),
    Measure(
        "sam_sharpness", "Sharpness (SAM)", "", "nat",
        "Mean rise of the loss of a batch of m examples after one ascent step of length ρ along its gradient.",
        "Foret et al. 2021, equation 2 and section 4.1", digits=3, better="lower",
    ),
    Measure(
        "asam_sharpness", "Sharpness (adaptive)", "", "nat",
        "The same with steps measured relative to each weight, which rescaling ReLU units leaves alone.",
        "Kwon et al. 2021, equation 5", digits=3, better="lower",
    ),
    Measure(
        "ball_mean", "Mean rise nearby", "", "nat",
        "Mean rise of the training loss over random filter-normalised steps of the given length; 95 % interval.",
        "Li et al. 2018, section 4, for the directions", digits=3, better="lower",
    ),
    Measure(
        "ball_max", "Largest rise nearby", "", "nat",
        "Largest rise of the training loss over the random steps of a repeat, mean over repeats. It grows with their"
        " count.",
        "Li et al. 2018, section 4, for the directions", digits=3, better="lower",
    ),
)  # fmt: skip
