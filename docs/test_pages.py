"""Run the code blocks of every page: ``python -m pytest docs``."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbclient import NotebookClient
from skimage.io import imread, imsave

sys.path.insert(0, str(Path(__file__).parent))

from pages import blocks, run_command, run_page

DOCS = Path(__file__).parent
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
WITH_CODE = [
    page
    for page in PAGES
    if any(block.language in {"python", "console"} for block in blocks(page.read_text()))
]
CLASSES = "astronaut", "cat", "coffee", "grass", "rocket", "flower"  # the last of scikit-learn
SIZES = {"train": 14, "test": 6}


@pytest.fixture(scope="session")
def shared(tmp_path_factory, request):
    """A folder that all workers of pytest-xdist have in common; one of them at a time."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if hasattr(request.config, "workerinput") else folder
    with FileLock(folder / "lock"):
        if not (folder / "made").exists():
            write_data(folder / "data")
            write_run(folder / "data", folder / "run")
            (folder / "made").touch()
    return folder


def write_data(folder):
    """Write the images that pages are about."""
    from visualwords.pipeline import sample as photographs

    with pytest.MonkeyPatch.context() as patch:  # no more crops than are copied
        patch.setattr(photographs, "SKIMAGE_PHOTOGRAPHS", CLASSES[:-1])
        patch.setattr(photographs, "CROPS", SIZES | {"test": 17})
        sample = photographs.write_sample_images(folder.parent / "sample")
    for split, count in SIZES.items():
        for label in CLASSES:
            for file in sorted((sample / split / label).iterdir())[:count]:
                for place in (folder / split / label, folder / "photos" / label):
                    place.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, place / f"{split}-{file.name}")
                (folder / "unsorted").mkdir(exist_ok=True)
                shutil.copy(file, folder / "unsorted" / f"{label[0]}{split}{file.name}")
    imsave(folder / "photo.jpg", imread(sample / "test" / "rocket" / "16.jpg"))
    rows = [
        f"{file.relative_to(folder)},{file.parent.name},{file.parent.parent.name}"
        for split in SIZES
        for file in sorted((folder / split).rglob("*.*"))
    ]
    (folder / "labels.csv").write_text("\n".join(["path,species,split", *rows, ""]))
    for name in ("train", "test", "photos"):
        (folder / name.upper()).symlink_to(name)


def write_run(data, folder):
    """Write a small run on these images."""
    command = f"visualwords run {data}/train --test {data}/test --out {folder}"
    status, said = run_command(f"{command} --set words.n_words=50 --no-report")
    assert status == 0, said


@pytest.fixture
def modules():
    """Forget what a page imported from its folder."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "pytest" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(DOCS.parent)))
def test_the_code_of_a_page_runs(page, shared, modules, tmp_path, monkeypatch):
    folder = tmp_path / "pytest-page"
    shutil.copytree(shared / "data", folder, symlinks=True)
    if "<!-- needs: run -->" in page.read_text():
        shutil.copytree(shared / "run", folder / "run")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("COLUMNS", "100")
    run_page(page)


def test_the_notebook_runs(tmp_path):
    notebook = nbformat.read(DOCS / "tutorial.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 2
    assert any("labels=('rocket',)" in str(output) for output in shown)
    texts = [output["data"].get("text/html", "") for output in shown if "data" in output]
    assert any("96 images, 96 ok" in text for text in texts)  # the extraction
    assert any("<th>LinearSVM</th>" in text for text in texts)  # the run
    assert any("nothing was learned with these parameters yet" in str(o) for o in shown)  # progress


def test_the_reference_has_every_public_name():
    import visualwords
    from visualwords import classifiers, features

    listed = set(re.findall(r"^   (\w+)$", (DOCS / "reference" / "api.rst").read_text(), re.M))
    public = {*visualwords.__all__, *features.__all__, *classifiers.__all__} - {
        "TRUSTED_TYPES",
        "__version__",
    }
    assert public - listed == set()


def test_docstrings_are_rewritten_for_the_site():
    from conf import escape_names

    lines = [
        "D. Lowe has ``coef_``, coef_ and |w|; see docs/words.md or ``docs/do/s3.md``.",
        ".. [R1-2] E. Rosten",
        "1. a list::",
        "",
        "    coef_",
        "X is a matrix.",
    ]
    escape_names(None, "", "", None, None, lines)
    assert lines == [
        r"\D. Lowe has ``coef_``, coef\_ and \|w\|; see :doc:`/words` or :doc:`/do/s3`.",
        r".. [R1-2] \E. Rosten",
        "1. a list::",
        "",
        "    coef_",
        "X is a matrix.",
    ]


def test_the_reference_has_every_command():
    sys.path.insert(0, str(DOCS / "_extensions"))
    from command_reference import commands

    text = (DOCS / "reference" / "options.md").read_text()
    assert sorted(re.findall(r"^```\{command\} (.*)$", text, re.M)) == sorted(commands())
