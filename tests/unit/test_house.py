"""The house keeps its own rules: links, generated code, docstrings, and nothing of one machine."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPONENTS = ("agent", "cli", "common", "frameworks", "master", "protos", "sim")
PROGRAMS = ("benchmarks", "examples", "tests")
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules(*folders: str) -> Iterator[Path]:
    """The Python files that people wrote."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not GENERATED.search(path.name):
                yield path


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Each import of a module as (dots, dotted name)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        return [path for folder in (*COMPONENTS, *PROGRAMS) for path in modules(folder)]
    names = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in names if path.is_file()]


def test_each_component_is_a_folder_with_a_link() -> None:
    links = {path.name: path for path in (ROOT / "src/fairlead").iterdir() if path.is_symlink()}
    assert sorted(links) == list(COMPONENTS)
    for name, link in links.items():
        assert str(link.readlink()) == f"../../{name}"


def test_each_package_at_the_top_is_a_component() -> None:
    packages = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
    assert packages == list(COMPONENTS)


def test_every_folder_of_modules_is_a_package() -> None:
    bare = {path.parent for path in modules(*COMPONENTS)}
    assert [folder for folder in bare if not (folder / "__init__.py").is_file()] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in modules(*COMPONENTS, *PROGRAMS, "src/fairlead")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_components_are_imported_as_fairlead() -> None:
    """`import master` works in the repository only; elsewhere it is fairlead.master."""
    bare = [
        f"{name_of(path)}: {name}"
        for path in modules(*COMPONENTS, *PROGRAMS)
        for dots, name in imports(path)
        if not dots and name.split(".")[0] in COMPONENTS
    ]
    assert bare == []


def test_a_dot_means_mine_and_fairlead_means_anothers() -> None:
    wrong = []
    for path in modules(*COMPONENTS):
        component, *below = path.relative_to(ROOT).parts
        for dots, name in imports(path):
            reaches_out = dots > len(below)
            # each framework is a component of its own, so they name one another in full
            mine = component != "frameworks" and name.startswith(f"fairlead.{component}.")
            if reaches_out or (dots == 0 and mine):
                wrong.append(f"{name_of(path)}: {'.' * dots}{name}")
    assert wrong == []


def test_the_launcher_is_lean() -> None:
    """It outlives its agent and forks every task: itself and the standard library, no more."""
    folder = ROOT / "agent/launcher"
    foreign = [
        f"{name_of(path)}: {'.' * dots}{name}"
        for path in folder.rglob("*.py")
        for dots, name in imports(path)
        if dots > len(path.relative_to(folder).parts)
        or (dots == 0 and name.split(".")[0] not in sys.stdlib_module_names)
    ]
    assert foreign == []


def test_s4_only_programs_of_users_unpickle() -> None:
    """Neither master nor agent, nor anything that they are made of, can run what it was sent.

    The batch framework unpickles calls; the program of a training job its own checkpoints.
    """
    unpickle = {"_pickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
    able = {
        name_of(path)
        for path in modules(*COMPONENTS)
        for _, name in imports(path)
        if name.split(".")[0] in unpickle
    }
    assert able
    ours = ("frameworks/batch/", "frameworks/training/checkpoints.py")
    assert not [name for name in able if not name.startswith(ours)]


def test_no_file_knows_one_machine() -> None:
    places = re.compile(r"(?<![\w.~$}])/(?:work|root|home/[a-z]+|opt/(?:wheels|pypi))(?:/|\b)")
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}:{n}" for n, line in enumerate(lines, 1) if places.search(line)]
    assert [place for place in found if not place.startswith(name_of(Path(__file__)))] == []


def dependency_names() -> list[str]:
    listed = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]
    return [re.split(r"[\s<>=!~;\[]", requirement)[0] for requirement in listed]


def test_every_dependency_has_its_reason_in_the_architecture() -> None:
    table = [
        line for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if line.startswith("|")
    ]
    missing = [name for name in dependency_names() if not any(f"`{name}`" in row for row in table)]
    assert not missing


def grpcio_tools_pin() -> str:
    (pin,) = (
        requirement.split("==")[1]
        for requirement in PYPROJECT["dependency-groups"]["dev"]
        if requirement.startswith("grpcio-tools==")
    )
    return str(pin)


def protoc(output: str, options: list[str], protos: list[Path]) -> None:
    names = [str(path.relative_to(ROOT)) for path in protos]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Ifairlead/protos=protos"]
    arguments = [f"{option}={output}" for option in options]
    done = subprocess.run(
        [*command, *arguments, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_generated_code_is_what_the_protos_say(tmp_path: Path) -> None:
    installed = importlib.metadata.version("grpcio-tools")
    assert installed == grpcio_tools_pin(), "run `make venv`: another grpcio-tools is installed"
    protos = sorted((ROOT / "protos").glob("*.proto"))
    services = [path for path in protos if re.search(r"^service ", path.read_text(), re.MULTILINE)]
    protoc(str(tmp_path), ["--python_out", "--pyi_out"], protos)
    protoc(str(tmp_path), ["--grpc_python_out"], services)
    made = {path.name: path.read_text() for path in (tmp_path / "fairlead/protos").iterdir()}
    committed = {
        path.name: path.read_text()
        for path in (ROOT / "protos").iterdir()
        if GENERATED.search(path.name)
    }
    assert committed.keys() == made.keys(), "run `make protos`"
    stale = [name for name, text in made.items() if committed[name] != text]
    assert not stale, "run `make protos`"
