"""The mixture study's measures."""

from engine.studies.contract import Measure

MIXTURE = "McLachlan & Peel 2000, Finite Mixture Models"

MEASURES = (
    Measure(
        "mixture_components", "Clusters", "G", "",
        "Components of the mixture; fewer than asked for where some collapsed.", MIXTURE + ", section 1.4", digits=3,
    ),
    Measure(
        "mixture_rows", "Rows", "n", "", "Rows that took part, after those that cannot be used were left out.",
        "own: tells what the numbers rest on", digits=9,
    ),
    Measure(
        "mixture_columns", "Columns", "d", "", "Columns that took part.", "own: tells what the numbers rest on",
        digits=5,
    ),
    Measure(
        "mixture_log_likelihood", "Log-likelihood", "log L", "nat",
        "Sum over the rows of the log density of the mixture, in the units of the table.", MIXTURE + ", section 2.8",
        digits=7, better="higher",
    ),
    Measure(
        "mixture_parameters", "Free parameters", "df", "",
        "Free parameters of weights, means and covariances of the family.",
        "Celeux & Govaert 1995, Gaussian parsimonious clustering models, table 1", digits=9,
    ),
    Measure(
        "mixture_bic", "BIC", "BIC", "nat",
        "2 log L - df log n: larger is better, as in mclust; scikit-learn's has the opposite sign.",
        "Schwarz 1978, Estimating the dimension of a model", digits=7, better="higher",
    ),
    Measure(
        "mixture_icl", "ICL", "ICL", "nat",
        "BIC plus twice the sum of the log of each row's largest membership: punishes overlap.",
        "Biernacki, Celeux & Govaert 2000, equation 9", digits=7, better="higher",
    ),
    Measure(
        "mixture_aic", "AIC", "AIC", "nat", "2 df - 2 log L: smaller is better.", "Akaike 1974, equation 12", digits=7,
        better="lower",
    ),
    Measure(
        "mixture_nec", "NEC", "NEC", "",
        "Entropy of the memberships divided by the gain in log-likelihood over one component.",
        "Celeux & Soromenho 1996, equation 7", digits=3, better="lower",
    ),
    Measure(
        "membership_entropy", "Entropy of memberships", "", "nat",
        "Mean over the rows of - sum_k z log z of their memberships; 0 where every row is sure.",
        "Celeux & Soromenho 1996, equation 4, per row", digits=3, better="lower",
    ),
    Measure(
        "training_likelihood", "Log-likelihood a row", "", "nat",
        "Mean log density of the rows under the mixture fitted to them.", MIXTURE + ", section 2.8", digits=4,
        better="higher",
    ),
    Measure(
        "out_of_bag", "Out-of-bag likelihood", "", "nat",
        "Mean log density of rows under refits on bootstrap resamples that did not contain them, per row.",
        "Andrews 2018, Addressing overfitting and underfitting in Gaussian model-based clustering", digits=4,
        better="higher",
    ),
    Measure(
        "likelihood_gap", "Likelihood gap", "", "nat",
        "Log-likelihood a row minus out-of-bag likelihood; above 0.5 the mixture describes its rows, not their source.",
        "own: training against out-of-bag density, after Andrews 2018", digits=3, better="lower",
    ),
    Measure(
        "basin_share", "Starts in the best maximum", "", "%",
        "Share of the starts that ended in the solution shown.",
        "own: shares of starts by variation of information of their partitions (Meila 2007)", digits=3,
        better="higher",
    ),
    Measure(
        "local_maxima", "Local maxima found", "", "",
        "Distinct solutions of the starts that ran to the end: partitions more than 0.05 nat of variation of"
        " information apart.",
        "Meila 2007, Comparing clusterings", digits=4,
    ),
    Measure(
        "smallest_share", "Smallest cluster", "min π", "%", "Weight of the lightest component.",
        MIXTURE + ", section 1.4", digits=3,
    ),
    Measure(
        "smallest_eigenvalue", "Smallest variance", "λ min", "",
        "Smallest eigenvalue of the components' covariances, in the squared units of the table; near 0 a component has"
        " collapsed onto a plane.", MIXTURE + ", section 3.10", digits=3,
    ),
    Measure(
        "condition_number", "Largest condition number", "", "",
        "Largest ratio of a component's largest and smallest variance over all directions.",
        "Golub & Van Loan, Matrix Computations, section 2.6", digits=3,
    ),
    Measure(
        "rows_per_parameter", "Rows a parameter", "n / df", "",
        "Rows divided by free parameters; below 5 the likelihood is a poor guide.",
        "own: the point below which the best likelihood of the wine table has half the agreement of a regular fit",
        digits=3, better="higher",
    ),
    Measure(
        "axes_kept", "Axes kept", "q", "", "Leading principal axes on which the bootstrap ran.",
        "Horn 1965, A rationale and test for the number of factors", digits=3,
    ),
    Measure(
        "ari", "Adjusted Rand index", "ARI", "",
        "Agreement of clusters and known classes over pairs of rows: 1 equal, 0 as by chance.",
        "Hubert & Arabie 1985, equation 5", digits=3, better="higher",
    ),
    Measure(
        "nmi", "Normalised mutual information", "NMI", "",
        "2 I / (H + H) of clusters and known classes: 1 equal, 0 independent.",
        "Vinh, Epps & Bailey 2010, table 2 (NMI sum)", digits=3, better="higher",
    ),
    Measure(
        "jaccard", "Stability of a cluster", "", "",
        "Mean over resamples of the largest Jaccard similarity of a cluster with a cluster of the refit; stable from"
        " 0.75, dissolved below 0.5.",
        "Hennig 2007, Cluster-wise assessment of cluster stability, section 3", digits=3, better="higher",
    ),
    Measure(
        "weight_error", "Standard error of a weight", "", "%",
        "Standard deviation of a component's weight over the resamples.",
        "Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 6", digits=2,
    ),
    Measure(
        "ratio_statistic", "Likelihood ratio", "2 Δ log L", "nat",
        "Twice the log-likelihood that one component more adds to G components.",
        "McLachlan 1987, On bootstrapping the likelihood ratio test statistic", digits=4,
    ),
    Measure(
        "ratio_p", "p value of one cluster more", "p", "",
        "Share of tables drawn from G components, counted with the table itself, whose likelihood ratio is at least the"
        " table's.",
        "McLachlan 1987, On bootstrapping the likelihood ratio test statistic", digits=2,
    ),
)  # fmt: skip
