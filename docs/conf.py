"""How Sphinx builds the documentation: ``make docs``. Nothing here needs a network."""

import gc
import re
import sys
from pathlib import Path
from typing import Any

import visualwords

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "visualwords"
author = copyright = "the visualwords developers"
version = release = visualwords.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    # Of docs/_extensions:
    "command_reference",
    "mathml",
    "picture",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py", "**/GALLERY_HEADER.rst"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Names of other projects have no page here, and types in docstrings are written for people.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|scipy|sklearn|skimage|joblib|pyarrow|matplotlib|numba|pathlib|abc)\..*"),
    # What a docstring names for those who read the source.
    (r"py:mod", r".*"),
    (
        r"py:(meth|func|class)",
        r"(LinearClassifier|Search|MinibatchSolver|StatelessFeature|Gaussians|RunView|_|certify|open_source|ledger|duplicates).*",
    ),
]

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "download_all_examples": False,
    "default_thumb_file": str(HERE / "demo.png"),
    "matplotlib_animations": False,
    "reset_modules": ("matplotlib",),
}

toc_object_entries_show_parents = "hide"
html_theme = "pydata_sphinx_theme"
html_title = f"visualwords {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(HERE / "_extensions" / "scorer.js")
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "show_prev_next": True,
    "navigation_depth": 2,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def leave_out(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out methods that scikit-learn and Python's own types bring along."""
    module = getattr(member, "__module__", None) or "builtins"
    is_method = callable(member) and not isinstance(member, type)
    return True if is_method and not module.startswith("visualwords") else None


def escape_names(
    app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]
) -> None:
    """Write for reStructuredText what docstrings write for people.

    ``coef_`` and ``|w|`` are no links, the initial of "D. Lowe" begins no list, and the name of a
    page, such as ``docs/words.md``, is a link to it.
    """
    literal: int | None = None  # the indent of the text above a literal block
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        if literal is None and not line.lstrip().startswith((">>>", "...")):
            line = re.sub(r"`{0,2}docs/([\w/-]+)\.md`{0,2}", r":doc:`/\1`", line)
            line = re.sub(r"^(\s*(?:\.\. \[[\w-]+\] )?)(?=[A-Z]\. )", r"\1\\", line)
            parts = re.split(r"(``.*?``|`.*?`)", line)
            parts[::2] = [
                re.sub(r"(?<=\w)_(?![\w{\\*])|\|", r"\\\g<0>", part) for part in parts[::2]
            ]
            lines[number] = "".join(parts)
            literal = indent if line.rstrip().endswith("::") else None


def setup(app: Any) -> None:
    """Connect both to autodoc; names are escaped after numpydoc wrote its sections.

    Sphinx keeps many objects until the end: looking for garbage among them would take a tenth of
    the time.
    """
    gc.disable()
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", escape_names, priority=900)
