"""Which network: built-in families of a few lines each, or a user's own file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from engine.studies.contract import Spec, UserPath, field

Activation = Literal["relu", "tanh", "gelu"]
Size = Annotated[int, Field(ge=1, le=65_536)]

ACTIVATIONS = {"relu": "ReLU", "tanh": "tanh", "gelu": "GELU"}


class ModelOptions(Spec):
    """What any network takes."""

    weights: UserPath = field(
        "",
        "Weights",
        "Start from these weights (.safetensors, or a .pt file of tensors); empty: a fresh start from the seed.",
        advanced=True,
    )


class Mlp(ModelOptions):
    """A fully connected network on the flattened input."""

    title: ClassVar[str] = "Fully connected (MLP)"
    builder: Literal["mlp"] = "mlp"
    widths: tuple[Size, ...] = field(
        (64,), "Hidden widths", "Units of each hidden layer; none makes a linear model.", max_length=64, axis=True
    )
    activation: Activation = field(
        "relu", "Activation", "The nonlinearity between layers.", labels=ACTIVATIONS, advanced=True
    )
    batch_norm: bool = field(False, "Batch normalisation", "Normalise each hidden layer over the batch.", advanced=True)


class Cnn(ModelOptions):
    """Convolutions with pooling, then one hidden layer, after LeNet-5 (LeCun et al. 1998)."""

    title: ClassVar[str] = "Convolutional (CNN)"
    builder: Literal["cnn"] = "cnn"
    channels: tuple[Size, ...] = field(
        (6, 16),
        "Channels",
        "Channels of each convolution; after each, the picture is halved while it is large enough.",
        min_length=1,
        max_length=16,
        axis=True,
    )
    kernel: int = field(3, "Kernel", "Width of the convolutions; odd.", ge=1, le=15)
    hidden: int = field(
        64, "Hidden units", "Units of the layer between the convolutions and the classes.", ge=1, le=65_536
    )
    activation: Activation = field(
        "relu", "Activation", "The nonlinearity between layers.", labels=ACTIVATIONS, advanced=True
    )
    batch_norm: bool = field(
        False, "Batch normalisation", "Normalise each convolution's channels over the batch.", advanced=True
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("the kernel must be odd, so that the picture keeps its size")
        return kernel


class Resnet(ModelOptions):
    """A residual network for small images: three stages of basic blocks (He et al. 2016, section 4.2)."""

    title: ClassVar[str] = "Residual (ResNet)"
    builder: Literal["resnet"] = "resnet"
    width: int = field(
        16, "Width", "Channels of the first stage; the next have two and four times as many.", ge=1, le=1024, axis=True
    )
    blocks: int = field(3, "Blocks", "Residual blocks of each stage; 3 makes ResNet-20.", ge=1, le=50)
    batch_norm: bool = field(
        True, "Batch normalisation", "Normalise after each convolution, as in the paper.", advanced=True
    )


class Transformer(ModelOptions):
    """A small pre-norm Transformer encoder on patches, with mean pooling (after Dosovitskiy et al. 2021)."""

    title: ClassVar[str] = "Transformer"
    builder: Literal["transformer"] = "transformer"
    dim: int = field(
        32, "Dimension", "Length of each token's vector; a multiple of the heads.", ge=1, le=4096, axis=True
    )
    depth: int = field(2, "Depth", "Number of encoder layers.", ge=1, le=64, axis=True)
    heads: int = field(4, "Heads", "Attention heads of each layer.", ge=1, le=64)
    patch: int = field(
        4,
        "Patch",
        "An image is cut into squares of this side, a series or a row into pieces of this length; each is a token.",
        ge=1,
        le=512,
    )

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"the dimension {self.dim} is not a multiple of the {self.heads} heads")
        return self


class UserModel(ModelOptions):
    """A Python file of the user's with ``build()``, and if wanted ``data()`` and ``loss(outputs, targets)``."""

    title: ClassVar[str] = "A file of your own"
    builder: Literal["user"] = "user"
    path: UserPath = field(
        ..., "Model file", "A .py file with a function build() that returns a torch.nn.Module.", min_length=1
    )
    factory: str = field(
        "build",
        "Function",
        "The function of the file that makes the network.",
        pattern=r"^[A-Za-z_]\w*$",
        advanced=True,
    )
    sha256: str = field(
        "",
        "Code hash",
        "Hash of the file and all it imports from its folder, as consented to; a change of the code asks again.",
        pattern=r"^([0-9a-f]{64})?$",
        advanced=True,
    )


ModelConfig = Annotated[Mlp | Cnn | Resnet | Transformer | UserModel, Field(discriminator="builder")]


class StudyModel(Spec):
    """A network of one of the studies, such as a recurrent one; its study publishes it, forms do not offer it."""

    title: ClassVar[str] = "Of another study"
    builder: Literal["study"] = "study"
    factory: str = field(
        ..., "Factory", "module:function that makes it.", pattern=r"^engine\.studies\.[a-z_.]+:[a-z_]+$"
    )
    settings: dict[str, Any] = field(dict, "Settings", "What the function takes.")


AnyModelConfig = Annotated[Mlp | Cnn | Resnet | Transformer | UserModel | StudyModel, Field(discriminator="builder")]
