"""Who may import whom, read from the syntax tree: nothing is run, and lazy imports count too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = {
    "pipelines": {"jobs", "torch", "mlflow", "numba", "triton"},
    "embtrain": {"jobs", "pipelines", "pyspark"},
    "embtrain/text": {"pydantic"},
}
EXCEPT = {"embtrain/cli.py": {"pipelines", "jobs"}}

ONLY_IN = {
    "mlflow": (
        *("embtrain/tracking.py", "embtrain/registry.py", "embtrain/versions.py", "embtrain/served_model.py"),
        "embtrain/served_contextual.py",
        *("embtrain/classify/registry.py", "embtrain/classify/served.py"),
    ),
    "numba": ("embtrain/kernels/",),
    "llvmlite": ("embtrain/kernels/",),
    "triton": ("embtrain/kernels/",),
    "torch.distributed": ("embtrain/distributed.py",),
}

# What the two worlds share: all that Spark's side may take from embtrain.
SHARED_WITH_SPARK = (
    *("config", "settings", "schema", "manifest", "storage", "lease", "termination", "errors", "text", "kernels"),
)


def sources(package):
    return [path for path in sorted((ROOT / package).rglob("*.py")) if "__pycache__" not in path.parts]


def relative(path):
    return path.relative_to(ROOT).as_posix()


def names_used(path):
    """Yield the modules that a file imports, and ``torch.distributed`` where it is reached through ``torch``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node) if isinstance(node.value, ast.Name) else ""


def is_in(name, module):
    return name == module or name.startswith(module + ".")


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_package_imports_what_stands_above_or_beside_it(package):
    broken = [
        f"{relative(path)}: {name}"
        for path in sources(package)
        for name in names_used(path)
        for module in FORBIDDEN[package] - EXCEPT.get(relative(path), set())
        if is_in(name, module)
    ]
    assert broken == []


@pytest.mark.parametrize("module", ONLY_IN)
def test_a_heavy_library_is_imported_only_where_it_lives(module):
    broken = [
        relative(path)
        for package in ("embtrain", "pipelines", "jobs")
        for path in sources(package)
        if not relative(path).startswith(ONLY_IN[module]) and any(is_in(name, module) for name in names_used(path))
    ]
    assert broken == []


def test_spark_takes_only_the_shared_modules_of_embtrain():
    allowed = tuple(f"embtrain.{module}" for module in SHARED_WITH_SPARK)
    broken = [
        f"{relative(path)}: {name}"
        for path in sources("pipelines")
        for name in names_used(path)
        if is_in(name, "embtrain") and not any(is_in(name, module) for module in allowed)
    ]
    assert broken == []


def test_imports_are_absolute():
    relative_imports = [
        f"{relative(path)}:{node.lineno}"
        for package in ("embtrain", "pipelines", "jobs")
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert relative_imports == []


def test_the_command_line_reaches_for_spark_inside_a_function():
    tree = ast.parse((ROOT / "embtrain/cli.py").read_text(encoding="utf-8"))
    at_import = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [line for line in at_import if "pipelines" in line or "jobs" in line]


@pytest.mark.parametrize("statement", ["import embtrain.cli", "from embtrain import Vectors, load"])
def test_importing_loads_no_heavy_library(statement):
    heavy = "pyspark torch mlflow numba pandas"
    check = f"import sys; {statement}; print(*set('{heavy}'.split()) & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_registering_vectors_of_other_tools_loads_no_kernels():
    check = "import sys, embtrain.workflow; print(*{'numba', 'torch', 'triton'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_job_names_do_not_shadow_the_standard_library():
    # Under spark-submit a job's own folder comes first on sys.path.
    assert not {path.stem for path in sources("jobs")} & set(sys.stdlib_module_names)
