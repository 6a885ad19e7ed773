"""Imports point one way, and importing kernelopt stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kernelopt

ROOT = Path(kernelopt.__file__).parent

# package -> the packages it may import from
MAY_IMPORT = {
    "errors": set(),
    "datasets": {"errors"},
    "backend": {"errors"},
    "compiled": set(),
    "kernels": {"errors", "backend", "compiled"},
    "convex": {"errors", "backend", "compiled", "kernels"},
    "conv": {"errors"},
    "bridges": {"errors", "kernels", "convex", "conv"},
    "estimators": {"errors", "kernels", "convex", "conv", "bridges"},
    "persist": {"errors", "kernels", "convex", "conv", "estimators"},
    "evaluation": {"errors", "kernels", "convex", "conv", "bridges", "estimators", "datasets"},
    "pages": {"errors", "evaluation"},
    "_places": set(),
    "_contrast": {"errors", "_places", "pages", "evaluation", "estimators", "datasets"},
    "_study": {"errors", "_places", "pages", "evaluation"},
    "cli": {"errors", "_contrast", "_study", "datasets", "pages", "evaluation"},
    "__init__": set(),
}
# heavy library -> the only modules that may import it
HEAVY = {
    "cvxpy": {"convex/solvers/conic.py", "convex/solvers/conic_*.py", "bridges/polish.py"},
    "torch": {"conv/*", "bridges/*", "backend.py", "estimators/convnet.py"},
    "skglm": {"convex/solvers/group_lasso.py"},
    "matplotlib": {"conv/figures.py", "pages/*", "pages/figures/*", "estimators/plotting.py"},
}


def modules():
    return sorted(ROOT.rglob("*.py"))


def imports(path):
    """Yield the full names of what a module imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path} uses a relative import")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert package in MAY_IMPORT, f"{package} has no place in the layering yet"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "kernelopt" and len(parts) > 1 and parts[1] in MAY_IMPORT:
            assert parts[1] == package or parts[1] in MAY_IMPORT[package], f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_have_their_places(path):
    relative = path.relative_to(ROOT)
    for name in imports(path):
        places = HEAVY.get(name.split(".")[0])
        assert places is None or any(relative.match(place) for place in places), f"{path} imports {name}"


def test_convex_and_conv_do_not_meet():
    assert "conv" not in MAY_IMPORT["convex"] and "convex" not in MAY_IMPORT["conv"]


@pytest.mark.parametrize(
    "statement",
    [
        "import kernelopt",
        "from kernelopt import MKLClassifier, KernelStack, Certificate, contrast, datasets, kernels",
        "import kernelopt.cli",
        "from kernelopt import FilterBank",
    ],
)
def test_import_is_lean(statement):
    code = f"{statement}\nimport sys; print([m for m in ('torch', 'cvxpy', 'matplotlib') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_resolve():
    for name in kernelopt.__all__:
        assert getattr(kernelopt, name) is not None
    with pytest.raises(AttributeError, match="MKLClassifier"):
        _ = kernelopt.NoSuchName


def test_contrast_stays_the_function_whatever_is_imported_first():
    code = "import kernelopt.cli, kernelopt._contrast, kernelopt; print(callable(kernelopt.contrast))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "True"


def test_files_hold_one_idea():
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > 400}
    assert not long, f"split these: {long}"


def test_no_pickle_is_read():
    for path in modules():
        for name in imports(path):
            assert name.split(".")[0] not in ("pickle", "dill", "cloudpickle", "shelve", "marshal"), path
        assert "allow_pickle=True" not in path.read_text(), path
