"""What holds for the package as a whole: layout, imports, documentation."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import visualwords

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "classifiers", "pipeline")
MODULES = [
    "visualwords",
    "visualwords.checks",
    "visualwords.hints",
    "visualwords.threads",
    *(
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages([str(ROOT / package)], f"visualwords.{package}.")
        if not module.name.endswith(".__main__")
    ),
]


def test_the_listed_packages_are_the_folders():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [
        file.parent.relative_to(ROOT).parts
        for package in PACKAGES
        for file in (ROOT / package).rglob("__init__.py")
    ]
    assert set(listed) == {"visualwords", *(".".join(("visualwords", *parts)) for parts in folders)}


def test_the_recipes_ship():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    (pattern,) = listed["package-data"]["visualwords.pipeline"]
    shipped = sorted(file.stem for file in (ROOT / "pipeline").glob(pattern))
    assert shipped == ["lecture", "photographs", "small"]


def test_no_stray_module_ships_from_the_root():
    modules = "__init__", "__main__", "checks", "compiling", "hints", "simd", "threads"
    assert sorted(file.stem for file in ROOT.glob("*.py")) == sorted(modules)


@pytest.mark.parametrize(
    "code",
    ["import visualwords", *(f"main({words})" for words in (["--help"], ["run", "--help"]))],
)
def test_importing_the_package_and_its_help_is_light(code):
    heavy = "numba", "cv2", "skimage", "sklearn", "scipy", "pandas", "pyarrow", "numpy"
    main = "from visualwords.pipeline.cli import main; " if "main" in code else ""
    check = f"import sys; print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    output = subprocess.run(
        [sys.executable, "-c", f"{main}{code}; {check}"], capture_output=True, text=True
    )
    assert output.stderr.strip() == "[]"


@pytest.mark.parametrize("name", visualwords.__all__)
def test_public_names_are_found_on_first_use(name):
    assert getattr(visualwords, name) is not None
    assert name in dir(visualwords)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'HOGG'"):
        visualwords.HOGG  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    result = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist_and_are_described(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        found = getattr(module, public)
        if callable(found) and found.__module__.startswith("visualwords"):
            assert found.__doc__, f"{name}.{public} has no docstring"


@pytest.mark.parametrize(
    ("package", "forbidden"), [("features", "classifiers"), ("classifiers", "features")]
)
def test_features_and_classifiers_do_not_know_each_other(package, forbidden):
    for file in (ROOT / package).rglob("*.py"):
        imported = {
            node.module or ""
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert not [m for m in imported if forbidden in m or "pipeline" in m], file.name


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/design.md"])
def test_every_path_that_a_document_names_exists(document):
    text = (ROOT / document).read_text()
    folder = r"\.ci|benchmarks|classifiers|docs|examples|features|pipeline|tests"
    named = set(re.findall(rf"`((?:{folder})/[\w./]*|\w+\.py)`", text))
    linked = {str(Path(document).parent / link) for link in re.findall(r"\]\(([\w./]+)\)", text)}
    assert named | linked
    assert [path for path in sorted(named | linked) if not (ROOT / path).exists()] == []


ROOMS = [*sorted((ROOT / "features").rglob("*.py")), *sorted((ROOT / "classifiers").rglob("*.py"))]


def uses_in_rooms(pattern):
    """Give the lines of features and classifiers that match a pattern."""
    return [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in ROOMS
        for line in file.read_text().splitlines()
        if re.search(pattern, line)
    ]


def test_files_are_short():
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in ROOMS}
    assert {name: length for name, length in lengths.items() if length > 350} == {}


def test_losses_are_asked_for_traits_not_for_their_class():
    assert uses_in_rooms(r"isinstance\(.*[Ll]oss") == []


def test_vector_instructions_are_written_in_one_file():
    assert uses_in_rooms("@intrinsic|llvmlite") == []
    assert "@intrinsic" not in (ROOT / "compiling.py").read_text()


def test_kernels_are_declared_by_the_decorators_of_compiling():
    # Only these work where no machine code can be kept on disk.
    assert uses_in_rooms(r"\bnjit\b|\bjit\(|cache=True") == []


def test_few_parameters_may_be_anything():
    annotations = [
        node.annotation
        for file in (*ROOMS, *(ROOT / "pipeline").rglob("*.py"), *ROOT.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.arg) and node.annotation is not None
    ]
    assert len(annotations) > 500
    assert sum(ast.unparse(annotation) == "Any" for annotation in annotations) < 150


def test_version_and_name_are_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {visualwords.__version__}\n" in citation
    assert "The visualwords developers" in citation
    assert "the visualwords developers" in (ROOT / "LICENSE").read_text()
    latest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest
    assert latest[1] == visualwords.__version__


def test_the_workflow_and_the_image_use_what_exists():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    makefile, matrix = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "matrix.py").read_text()
    for target in re.findall(r"run: make ([a-z]+)", workflow):
        assert f"\n{target}:" in makefile
    rows = {
        row
        for group in re.findall(r"row: \[(.*)\]", workflow)
        for row in re.findall(r'"(.+?)"', group)
    }
    assert rows == set(re.findall(r'Row\("(.+?)"', matrix))
    tests = re.findall(r'"(tests/[^"]+)"', matrix)
    assert tests
    assert [test for test in tests if not (ROOT / test).exists()] == []
