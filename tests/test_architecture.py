"""The shape of the codebase: every unit has all its faces, and packages import only downward."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FACES = {face: ROOT / face / "units" for face in ("models", "hwsim", "rtl")}
MAY_IMPORT = {
    "models": set(),
    "hwsim": {"models"},
    "rtl": {"models"},
    "codegen": {"models", "hwsim", "rtl"},
    "reports": {"models", "hwsim", "rtl", "codegen"},
    "puffadder": {"models", "hwsim", "rtl", "codegen", "reports"},
}
HEAVY = {"torch", "transformers"}
MAY_BE_HEAVY = {"models/checkpoints/train.py", "reports/peers/pytorch.py"}
UNSAFE = {"pickle", "dill", "joblib", "shelve", "marshal"}
SAFE_YAML = {"SafeLoader", "safe_dump", "YAMLError"}
"""The loader makes no objects but texts, numbers, lists and the like, also in a class of it that is
asked for its data; `yaml.load` would take any other."""
LARGEST_FILE = 2 * 2**20


def modules(folder):
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def sources(package):
    """Paths of a package's modules, relative to the root."""
    paths = [ROOT / f"{package}.py"] if package == "puffadder" else (ROOT / package).rglob("*.py")
    return [path.relative_to(ROOT) for path in paths]


def nodes(path):
    return ast.walk(ast.parse((ROOT / path).read_text()))


def imported(node):
    """Names of the packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module.partition(".")[0]]
    return []


def imports(path):
    return [(node.lineno, name) for node in nodes(path) for name in imported(node)]


def repository_files():
    """Every file that is kept, which is all but what .gitignore names."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()} | {
        ".git"
    }

    def walk(folder):
        for path in folder.iterdir():
            if any(path.match(pattern) for pattern in ignored):
                continue
            yield from walk(path) if path.is_dir() else [path]

    return list(walk(ROOT))


@pytest.mark.parametrize("face", FACES)
def test_every_unit_has_this_face(face):
    assert modules(FACES[face]) == modules(FACES["models"])


def test_every_unit_is_tested():
    assert modules(ROOT / "tests" / "units") == {f"test_{u}" for u in modules(FACES["models"])}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_downward(package):
    wrong = [
        f"{path}:{line} imports {name}"
        for path in sources(package)
        for line, name in imports(path)
        if name in MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_product_needs_no_tests_and_nothing_heavy(package):
    wrong = [
        f"{path}:{line} imports {name}"
        for path in sources(package)
        for line, name in imports(path)
        if name == "tests" or (name in HEAVY and path.as_posix() not in MAY_BE_HEAVY)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_nothing_is_unpickled_and_yaml_is_loaded_safely(package):
    wrong = [
        f"{path}:{line} imports {name}"
        for path in sources(package)
        for line, name in imports(path)
        if name in UNSAFE
    ]
    wrong += [
        f"{path}:{node.lineno} uses yaml.{node.attr}"
        for path in sources(package)
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "yaml"
        and node.attr not in SAFE_YAML
    ]
    wrong += [
        f"{path}:{node.lineno} allows pickle"
        for path in sources(package)
        for node in nodes(path)
        if isinstance(node, ast.keyword)
        and node.arg == "allow_pickle"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert not wrong, "\n".join(wrong)


def test_components_keep_their_annotated_ports():
    """With postponed annotations, Amaranth's components lose their annotated ports."""
    wrong = [
        str(path)
        for path in sources("rtl")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    assert not wrong, "\n".join(wrong)


def test_product_depends_on_no_folder_outside_the_repository():
    product = [path for path in repository_files() if path.relative_to(ROOT).parts[0] != "tests"]
    wrong = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in product
        for found in re.finditer(rb"/work\b|\bshared/", path.read_bytes())
        if path.suffix != ".safetensors"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_large():
    large = [path for path in repository_files() if path.stat().st_size > LARGEST_FILE]
    assert not large, f"larger than {LARGEST_FILE} bytes: {large}"
