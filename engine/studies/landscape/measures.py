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
        "Share of the optimiser's path (its centred weight snapshots) that the plane's two principal axes hold.",
        LI + ", section 7.2", digits=3, better="higher",
    ),
    Measure(
        "path_residual", "Distance of the path from the plane", "r", "",
        "Largest Euclidean distance between a weight snapshot and its projection onto the plane, relative to the"
        " length of the path's displacement.",
        "own: a projected path looks closer to the plane than it is", digits=3, better="lower",
    ),
)  # fmt: skip
