"""What can be wrong with data, one small class a cause."""

from __future__ import annotations

from engine.errors import EngineError


class DataError(EngineError):
    """Any fault of a dataset that its owner can mend."""


class MissingFile(DataError):
    what = "There is no file or folder at {path}."
    remedy = "Check the name; a file that was moved has to be chosen again."


class UnreadableFile(DataError):
    what = "{path} cannot be read."
    why = "The system says: {reason}."
    remedy = "Check the file's permissions."


class EmptyFile(DataError):
    what = "{path} is empty."
    remedy = "Choose a file with at least a few examples."


class UnknownFormat(DataError):
    what = "The format of {path} is not known."
    why = "Neither name nor first bytes are those of an NPZ, CSV, TSV or IDX file, CIFAR batches or a folder of images."
    remedy = "Say the format, or convert the file to NPZ or CSV."


class WrongFormat(DataError):
    what = "{path} could not be read as {format}."
    why = "The reason: {reason}."
    remedy = "Choose another format, or save the file anew."


class TruncatedFile(DataError):
    what = "{path} ends too early."
    why = "It should hold {expected} bytes and holds {found}."
    remedy = "Copy or download the file again."


class NotUtf8(DataError):
    what = "{path} is not UTF-8 text."
    why = "The byte at position {position} does not fit."
    remedy = "Save the table as UTF-8 (in a spreadsheet: CSV UTF-8)."


class PickledArrays(DataError):
    what = "The array {name} in {path} holds Python objects."
    why = "Reading it would mean to execute what the file says."
    remedy = "Save plain numbers: np.savez(file, x=np.asarray(x, dtype=float), y=y)."


class TooLarge(DataError):
    what = "{path} is too large for this machine."
    why = "It needs about {needed} GiB of memory and {free} GiB may be used."
    remedy = "Use fewer examples or smaller images, or a machine with more memory."


class ZipBomb(DataError):
    what = "{path} is refused."
    why = "It would unpack to {times} times its size, which no real data do."
    remedy = "Save the arrays anew, uncompressed."


class NoArrays(DataError):
    what = "{path} has no examples under a name that is known."
    why = "It holds: {names}."
    remedy = "Name the arrays x and y, or x_train, y_train, x_test and y_test."


class LengthMismatch(DataError):
    what = "{path} has {examples} examples but {targets} targets."
    remedy = "Both must have the same length."


class ShapeMismatch(DataError):
    what = "Training and test examples in {path} differ in shape: {train} and {test}."
    remedy = "Both must have the same shape apart from their number."


class WrongType(DataError):
    what = "The array {name} in {path} holds {dtype}, not numbers."
    remedy = "Convert it to integers or floating-point numbers first."


class UnknownTarget(DataError):
    what = "{path} has no column or array {target}."
    why = "It has: {names}."
    remedy = "Choose one of these as the target."


class RaggedTable(DataError):
    what = "The rows of {path} differ in length."
    why = "{reason}"
    remedy = "Check the separator and the quotes of the table."


class MissingCells(DataError):
    what = "Column {column} of {path} has {count} cells without a value, the first in data row {row}."
    remedy = "Fill them or remove those rows; nothing is guessed here."


class TextColumn(DataError):
    what = "Column {column} of {path} holds text with {count} different values, such as {example}."
    why = "A text column becomes one column of 0 and 1 for each value, for at most {limit} values."
    remedy = "Remove the column or turn it into numbers."


class NotFinite(DataError):
    what = "{count} of {rows} examples have NaN or infinite values, first in {column}."
    remedy = "Remove or mend those examples; nothing is guessed here."


class OneClass(DataError):
    what = "All training examples belong to one class, {label}."
    why = "There is nothing to tell apart."
    remedy = "Check the target, or use a larger subset."


class TooFewRows(DataError):
    what = "{rows} examples are too few."
    why = "After the split there are {train} for training and {test} for testing, and each needs at least {least}."
    remedy = "Use more examples or another test fraction."


class NumbersExpected(DataError):
    what = "The target {target} cannot be read as a number."
    why = "For example: {example}."
    remedy = "Predict a class, or choose another target."


class TargetShape(DataError):
    what = "The target {target} has the shape {shape}."
    why = "One class or number an example is needed, or a row of 0 with a single 1."
    remedy = "Choose another target, or define data() and loss(outputs, targets) in a model file."


class NoiseNeedsClasses(DataError):
    what = "Label noise needs classes, but the target is a number."
    remedy = "Set the label noise to 0, or predict a class."


class NoImages(DataError):
    what = "{path} has no class folders with images."
    why = "It should hold one subfolder for each class with PNG, JPEG, BMP, GIF, TIFF or WebP files in it."
    remedy = "Sort the images into subfolders named by class."


class BadImage(DataError):
    what = "The image {path} cannot be read."
    why = "{reason}"
    remedy = "Remove it or save it anew."


class NoData(DataError):
    what = "The model file makes no data."
    why = "It has no function data()."
    remedy = "Add data() to the file, or choose a dataset."


class BadOwnData(DataError):
    what = "data() of the model file returned {got}."
    remedy = "Return (x, y), (x_train, y_train, x_test, y_test), or a dict with those names."


class MissingBuiltin(DataError):
    what = "The dataset {name} is not on this machine."
    why = "It comes with the package scikit-learn, and its file {file} was not found."
    remedy = "Install scikit-learn in the interpreter of this run."


class DataChanged(DataError):
    what = "The data have changed since the model was trained."
    why = "{name} had the hash {expected} and now has {found}."
    remedy = "Restore the file, or train again on the new data."
