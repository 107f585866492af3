"""The plot kit: lines, fields, points and bars, painted by one painter on screen, in SVG, in PDF and in PNG."""

from app.widgets.plot.bars import BarPlot
from app.widgets.plot.canvas import Plot
from app.widgets.plot.heat import HeatMap
from app.widgets.plot.line import LinePlot
from app.widgets.plot.scale import Axis
from app.widgets.plot.scatter import ScatterPlot
from app.widgets.plot.table import Table

__all__ = ["Axis", "BarPlot", "HeatMap", "LinePlot", "Plot", "ScatterPlot", "Table"]
