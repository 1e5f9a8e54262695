"""Mathematics as MathML, which browsers draw themselves: no script, no fonts, no network."""

import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(written(node, as_block=False))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own, with a scroll bar where the page is narrow."""
    translator.body.append(f'<div class="math">{written(node, as_block=True)}</div>')
    raise nodes.SkipNode


def written(node: nodes.math | nodes.math_block, as_block: bool) -> str:
    """Return a formula as MathML; one that docutils does not know is a warning."""
    try:
        return mathml(node.astext(), as_block)
    except MathError as error:
        logger.warning("%s in %s", error, node.astext(), location=node)
        return ""


def mathml(formula: str, as_block: bool) -> str:
    r"""Return a formula of LaTeX as MathML.

    >>> mathml("x^2", as_block=False)
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    tree = latex2mathml.tex2mathml(formula, as_block=as_block)
    text = "".join(line.strip() for line in str(tree).splitlines())
    return re.sub("(<mo[^>]*)>‖", r'\1 stretchy="false">‖', text)  # bars are of one height


def setup(app: Sphinx) -> dict[str, bool]:
    """Name the renderer to Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
