"""The Mixtures tab."""

from app.tabs.catalogue import TabInfo

TAB = TabInfo(
    id="mixtures",
    title="Mixtures",
    group="Data",
    icon="mixtures",
    order=0,
    view="app.tabs.mixtures.view:MixturesView",
    summary="Cluster the rows of a table: which family and how many clusters, from many starts, checked by resampling."
    " Take a built-in table, drop a CSV, Parquet, NPY or Excel file here, or open another run's table.",
    accepts=("table",),
    suffixes=(".csv", ".tsv", ".parquet", ".npy", ".xlsx"),
)
