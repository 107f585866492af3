"""What can be wrong with a network, one small class a cause."""

from __future__ import annotations

from engine.errors import EngineError


class ModelError(EngineError):
    """Any fault of a network or of a user's model file."""


class MissingModelFile(ModelError):
    what = "There is no model file at {path}."
    remedy = "Choose a .py file with a function build()."


class ReservedName(ModelError):
    what = "The model file cannot be called {name}."
    why = "A library of that name is needed to run it."
    remedy = "Rename the file, for example to model.py."


class SourceSyntax(ModelError):
    what = "{file} is not valid Python."
    why = "Line {line}: {reason}."
    remedy = "Mend that line."


class SourceTooLarge(ModelError):
    what = "The model file's own modules are too large to copy."
    why = "They hold {files} files and {mib} MiB, where {limit} MiB are allowed."
    remedy = "Keep the model in a folder with only the code that it needs."


class ConsentMissing(ModelError):
    what = "The code of {path} is not run without your consent."
    why = "It is new or has changed: its hash is now {sha256}."
    remedy = "Read the file and the modules that it imports, and confirm them."


class SourceChanged(ModelError):
    what = "The code of {path} has changed since it was confirmed."
    why = "Its hash was {expected} and is now {found}."
    remedy = "Read and confirm it again."


class ModuleNotCopied(ModelError):
    what = "{file} imports {module}, which was not found."
    why = "It is neither installed in the interpreter of this run nor among the files copied with the model."
    remedy = "Install it there, or import it with a plain import statement from the model file's own folder."


class UserCodeFailed(ModelError):
    what = "{function} of the model file failed: {error}."
    why = "It happened in {file}, line {line}: {code}"
    remedy = "Mend that line; the log has the whole traceback."


class NoFactory(ModelError):
    what = "{file} has no function {function}()."
    why = "It defines: {names}."
    remedy = "Add a function {function}() that returns a torch.nn.Module."


class NotAModule(ModelError):
    what = "{function}() returned {got}, not a torch.nn.Module."
    remedy = "Return the network itself."


class NotATensor(ModelError):
    what = "The network returned {got}, not a tensor."
    remedy = "Return the outputs only, such as the logits."


class BadForward(ModelError):
    what = "The network does not take these data."
    why = "One example has the shape {shape}; torch says: {reason}."
    remedy = "Fit the network's first layer to the data, or choose other data."


class BadOutputs(ModelError):
    what = "The network's outputs do not fit the data."
    why = "For two examples it returned the shape {shape}, and the data have {targets}."
    remedy = "Fit the network's last layer to the data, or define loss(outputs, targets) in the model file."


class BadLoss(ModelError):
    what = "loss() of the model file returned {got}."
    remedy = "Return one number that requires gradients: the mean loss over the batch."


class MissingWeights(ModelError):
    what = "There is no file of weights at {path}."
    remedy = "Choose a .safetensors file or a .pt file of tensors."


class UnsafeWeights(ModelError):
    what = "{path} is refused."
    why = "Reading it would execute code: {reason}"
    remedy = "Save tensors only: torch.save(model.state_dict(), file), or a .safetensors file."


class UnreadableWeights(ModelError):
    what = "{path} cannot be read as weights."
    why = "{reason}"
    remedy = "Save them anew, best as .safetensors."


class WeightsMismatch(ModelError):
    what = "The weights in {path} do not fit the network."
    why = "Missing: {missing}. Not expected: {unexpected}. Of another shape: {shapes}."
    remedy = "Use the settings that the weights were trained with."


class WrongDerivatives(ModelError):
    """Raised where Hessian products disagree with finite differences of the gradient."""

    what = "Second derivatives of this network are wrong."
    why = "They miss finite differences of its gradient by {percent} %, most in {layers}."
    remedy = (
        "A hand-written or fused backward pass is the usual cause (torch's weight_norm has one), and such a pass is "
        "usually not differentiable itself. Write it with plain torch operations, or use a measure that needs first "
        "derivatives only."
    )


class NoSecondDerivatives(ModelError):
    """Raised where autograd cannot differentiate the loss twice."""

    what = "This network cannot be differentiated twice."
    why = "{reason}"
    remedy = "Replace the operation by plain torch operations, or give its autograd.Function a differentiable backward."


class NotDeterministic(ModelError):
    """Raised where the same weights and data give two different losses."""

    what = "The loss differs from call to call at the same weights and data ({first}, then {second})."
    why = "Something random, such as dropout outside torch's own layers, is active while measuring."
    remedy = "Switch it off in evaluation mode."


class NoDataset(ModelError):
    what = "This model does not say which data it belongs to."
    remedy = "Train or import it together with a dataset."


class BadModelFolder(ModelError):
    what = "The model in {path} cannot be read."
    why = "{reason}"
    remedy = "Restore the folder from a copy, or train again."
