"""A built wheel holds everything, and runs where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, with one more file in each folder that the wheel has to move."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "Procfile"):
        shutil.copy(ROOT / name, source)
    for name in ("server", "annotator", "static", "templates", "migrations"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("static", "templates", "migrations"):
        (source / name / "deep").mkdir(parents=True)
        (source / name / "deep" / "probe.txt").write_text(name)
    target = tmp_path_factory.mktemp("dist")
    # The build backend works in the current folder, so it gets a process of its own.
    code = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    built = subprocess.run([sys.executable, "-c", code, target], cwd=source, capture_output=True, text=True, check=True)
    return target / built.stdout.strip()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and, by a path file, this one's dependencies.

    A path file's folders are not searched for further path files, so this checkout stays out of it.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    entry_points = next(site.glob("rhumb-*.dist-info/entry_points.txt")).read_text()
    for line in entry_points.splitlines():
        name, _, target = line.partition(" = ")
        if target:
            module, _, function = target.partition(":")
            script = folder / "bin" / name
            script.write_text(f"#!{folder / 'bin' / 'python'}\nfrom {module} import {function}\n{function}()\n")
            script.chmod(0o755)
    return folder / "bin"


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RHUMB_", "PYTHONPATH"))}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=240)


def test_a_wheel_holds_pages_migrations_and_the_model(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "server/_static/deep/probe.txt",
        "server/_templates/deep/probe.txt",
        "annotator/_migrations/deep/probe.txt",
        "annotator/_static/deep/probe.txt",
        "annotator/_templates/deep/probe.txt",
        "annotator/demo/town.osm.pbf",
        "server/Procfile",
    } <= names
    for folder in ("static", "templates"):
        files = [path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert {f"{package}/_{folder}/{path}" for package in ("server", "annotator") for path in files} <= names
    model = ROOT / "server" / "assets" / "model"
    files = [path.relative_to(model) for path in model.rglob("*") if path.is_file()]
    assert {f"server/assets/model/{path}" for path in files} <= names


def test_a_wheel_holds_no_tests_and_no_top_level_folders_but_the_two_programs(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"server", "annotator"}


def test_an_installed_wheel_serves_its_own_model(installed: Path, tmp_path: Path) -> None:
    where = run([installed / "python", "-c", "import server; print(server.__file__)"], tmp_path)
    assert where.stdout.strip().startswith(str(installed.parent))
    found = run([installed / "rhumb", "check", "--json", "--num-pages", "64"], tmp_path)
    assert found.returncode == 0, found.stderr
    assert "rhumb-tiny" in json.dumps(json.loads(found.stdout))


def test_an_installed_wheel_knows_its_version_and_its_second_program(installed: Path, tmp_path: Path) -> None:
    metadata = next(installed.parent.glob("lib/*/site-packages/rhumb-*.dist-info/METADATA")).read_text()
    version = next(line.removeprefix("Version: ") for line in metadata.splitlines() if line.startswith("Version: "))
    assert run([installed / "rhumb", "version"], tmp_path).stdout.strip() == version
    assert run([installed / "mapqator", "--version"], tmp_path).stdout.strip() == f"mapqator {version}"


def test_an_installed_wheel_finds_its_procfile(installed: Path, tmp_path: Path) -> None:
    found = run([installed / "python", "-c", "import server.up; print(server.up.procfile().read_text())"], tmp_path)
    assert found.stdout.strip() == (ROOT / "Procfile").read_text().strip()
