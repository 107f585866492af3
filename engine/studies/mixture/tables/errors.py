"""What can be wrong with a user's table, one small class a cause."""

from __future__ import annotations

from engine.errors import EngineError


class TableError(EngineError):
    """Any fault of a table that its owner can mend."""


class NoFileError(TableError):
    what = "There is no table at {path}."
    remedy = "Check the name; a file that was moved has to be chosen again."


class UnknownTableError(TableError):
    what = "{path} is not a table that can be read here."
    why = "Its name ends in {suffix}."
    remedy = "Use CSV, TSV, TXT, Parquet, NPY or XLSX."


class BrokenFileError(TableError):
    what = "{path} could not be read as {format}."
    why = "{reason}"
    remedy = "Save the file anew, or as CSV."


class EmptyTableError(TableError):
    what = "{path} holds no rows."
    remedy = "Choose a file with at least a few rows of numbers."


class OneRowError(TableError):
    what = "The table has {rows} usable row."
    why = "Clusters need several rows."
    remedy = "Choose a table with more rows, or keep rows with missing values."


class RaggedRowError(TableError):
    what = "Line {line} of {path} has {found} cells."
    why = "The first line has {expected}."
    remedy = "Mend that line, quote cells that hold the separator, or choose another separator."


class NotTextError(TableError):
    what = "{path} is not text in a known encoding."
    why = "The byte at position {position} fits neither UTF-8 nor UTF-16."
    remedy = "Save the table as UTF-8 (in a spreadsheet: CSV UTF-8)."


class ArrayShapeError(TableError):
    what = "The array in {path} has shape {shape}."
    why = "A table has rows and columns."
    remedy = "Reshape it to two dimensions, one row an observation."


class ObjectArrayError(TableError):
    what = "The array in {path} holds {dtype} values."
    why = "Only real numbers can be clustered, and Python objects are never loaded."
    remedy = "Save it with dtype float."


class UnknownColumnError(TableError):
    what = "There is no column {column}."
    why = "The table has {names}."
    remedy = "Choose one of these."


class InfiniteColumnError(TableError):
    what = "Column {column} holds {count} infinite values."
    why = "The first is in row {row}."
    remedy = "Correct these cells or leave them empty; empty cells are treated as missing."


class InfiniteCellError(InfiniteColumnError):
    what = "Column {column} holds infinite values."


class OddCellError(TableError):
    what = "Column {column} holds text in row {row}: {cell}."
    why = "All cells before it are numbers."
    remedy = "Correct this cell or leave it empty, or choose columns without {column}."


class ChangedFileError(TableError):
    what = "{path} was changed while it was read."
    why = "It had {before} bytes and now has {after}, or was written anew."
    remedy = "Wait until the program that writes it is done, then run again."


class LongLineError(TableError):
    what = "Line {line} of {path} does not end within {megabytes} MB."
    why = "Perhaps a quotation mark is never closed."
    remedy = "Mend that line, or save the file anew."


class NotInPartsError(TableError):
    what = "{path} cannot be read in parts."
    why = "Files that end in {suffix} have to be opened whole."
    remedy = "Save the table as CSV or Parquet, or let it be read whole into memory."


class TooLargeError(TableError):
    what = "{path} does not fit into memory."
    why = "It would take about {needed} GB of the {free} GB that are free, and Excel files have to be opened whole."
    remedy = "Save the sheet as CSV or Parquet: these are read in parts."


class HugeColumnError(TableError):
    what = "Column {column} holds numbers as large as {value}."
    why = "Their squares exceed what a computer can hold."
    remedy = "Use a larger unit for this column, or leave it out."


class TinyColumnError(TableError):
    what = "Column {column} holds no number larger than {value}."
    why = "Squares of such numbers vanish in a computer."
    remedy = "Use a smaller unit for this column, or leave it out."


class NoColumnsError(TableError):
    what = "No column of numbers is left."
    why = "{reason}"
    remedy = "Choose a table with columns of numbers that vary."
