"""The plot kit: pyqtgraph's items in the theme's colours, with words, tables, read-outs and files for every picture."""

import PySide6.QtCore  # noqa: F401  (first, so that pyqtgraph takes this binding)

# isort: split
import pyqtgraph

pyqtgraph.setConfigOptions(antialias=True, imageAxisOrder="row-major", background=None, useOpenGL=False)

from app.widgets.plot.bars import BarPlot  # noqa: E402
from app.widgets.plot.heat import HeatMap  # noqa: E402
from app.widgets.plot.histogram import HistogramPlot  # noqa: E402
from app.widgets.plot.line import LinePlot  # noqa: E402
from app.widgets.plot.picture import Plot  # noqa: E402
from app.widgets.plot.scale import Axis  # noqa: E402
from app.widgets.plot.scatter import ScatterPlot  # noqa: E402
from app.widgets.plot.table import Table  # noqa: E402

__all__ = ["Axis", "BarPlot", "HeatMap", "HistogramPlot", "LinePlot", "Plot", "ScatterPlot", "Table"]
