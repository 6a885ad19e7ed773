"""Learning kernels: by convex optimisation, and as the filters of convolutional layers.

Public names are loaded on first use, so that importing kernelopt stays cheap:
neither torch nor cvxpy nor matplotlib is imported before something needs it.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "MKLClassifier": "kernelopt.estimators.mkl",
    "MKLRegressor": "kernelopt.estimators.regression",
    "MKLClassifierCV": "kernelopt.estimators.mkl_cv",
    "MKLRegressorCV": "kernelopt.estimators.mkl_cv",
    "mkl_path": "kernelopt.estimators.path",
    "ContinuousKernelClassifier": "kernelopt.estimators.continuous",
    "ContinuousKernelRegressor": "kernelopt.estimators.continuous",
    "TessellatedClassifier": "kernelopt.estimators.tessellated",
    "TessellatedRegressor": "kernelopt.estimators.tessellated",
    "ReweightedRandomFeatures": "kernelopt.estimators.random_features",
    "MKLOneClass": "kernelopt.estimators.novelty",
    "SDPKernelClassifier": "kernelopt.estimators.sdp",
    "KernelFisherClassifier": "kernelopt.estimators.fisher",
    "AlignmentMKL": "kernelopt.estimators.alignment",
    "HyperkernelClassifier": "kernelopt.estimators.hyperkernel",
    "HyperkernelRegressor": "kernelopt.estimators.hyperkernel",
    "HyperkernelOneClass": "kernelopt.estimators.hyperkernel",
    "ConvNetClassifier": "kernelopt.estimators.convnet",
    "ConvNetRegressor": "kernelopt.estimators.convnet_regressor",
    "FilterBank": "kernelopt.estimators.filter_bank",
    "ScatteringTransform": "kernelopt.estimators.scattering",
    "NetworkMKLClassifier": "kernelopt.estimators.bridges",
    "contrast": "kernelopt._contrast",
    "KernelStack": "kernelopt.kernels",
    "Certificate": "kernelopt.convex.certificate",
    "save": "kernelopt.persist",
    "load": "kernelopt.persist",
}
_MODULES = ("kernels", "convex", "conv", "estimators", "evaluation", "datasets")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"kernelopt.{name}")
    raise AttributeError(f"module 'kernelopt' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
