"""What pyproject.toml declares is what the code imports, and what constraints.txt pins."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PROJECT["dependencies"]}
EXTRAS = [Requirement(line) for extra in PROJECT["optional-dependencies"].values() for line in extra]

# zoneinfo takes tzdata; torch brings triton on the platforms that
# have it.
USED_WITHOUT_IMPORT = {"tzdata"}
BROUGHT_BY_OTHERS = {"triton"}


def imported_distributions() -> set[str]:
    """Canonical names of every distribution that a module of the two packages imports, lazily or not."""
    modules: set[str] = set()
    for path in [*(ROOT / "server").rglob("*.py"), *(ROOT / "annotator").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    outside = modules - sys.stdlib_module_names - {"server", "annotator"}
    owners = packages_distributions()
    return {canonicalize_name(owners[module][0]) for module in outside}


def test_every_import_is_declared_and_every_declaration_imported() -> None:
    assert imported_distributions() - BROUGHT_BY_OTHERS == DECLARED.keys() - USED_WITHOUT_IMPORT


def test_every_declared_dependency_is_pinned_to_a_version_inside_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines if not line.startswith("#"))  # type: ignore[union-attr]
    pins = {canonicalize_name(name): pinned for name, pinned in pins.items()}
    for requirement in [*DECLARED.values(), *EXTRAS]:
        name = canonicalize_name(requirement.name)
        assert name in pins, f"constraints.txt does not pin {name}"
        assert pins[name] in requirement.specifier, f"{name}=={pins[name]} is outside {requirement.specifier}"


def test_the_tests_run_with_the_pinned_torch_and_transformers() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    for name in ("torch", "transformers", "numpy"):
        assert f"{name}=={version(name).split('+')[0]}" in pins


def test_the_two_programs_never_import_each_other() -> None:
    for package, other in (("server", "annotator"), ("annotator", "server")):
        for path in (ROOT / package).rglob("*.py"):
            assert not re.search(rf"^\s*(from|import) {other}\b", path.read_text(), re.M), path
