"""The Landscape tab."""

from app.tabs.catalogue import TabInfo

TAB = TabInfo(
    id="landscape",
    title="Landscape",
    group="Training",
    icon="landscape",
    order=0,
    view="app.tabs.landscape.view:LandscapeView",
    summary="Train a network and see its loss as a landscape around it, sharper from ring to ring."
    " Take a built-in network and dataset, or drop a model file of your own here.",
    accepts=("model",),
    suffixes=(".py", ".npz", ".csv", ".tsv"),
)
