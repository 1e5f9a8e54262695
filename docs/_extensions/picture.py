"""The directive ``{picture} WHAT IT SHOWS``: code, run, and the figure that it draws."""

from pathlib import Path
from typing import Any

import matplotlib
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "pictures"
STYLE = {"figure.figsize": (7, 2.6), "font.size": 9, "savefig.dpi": 130, "savefig.bbox": "tight"}


class PictureDirective(SphinxDirective):
    """Show code, run it, and show the last figure that it made."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return a block of code and an image; an exception of the code ends the build."""
        code = "\n".join(self.content)
        number = self.env.new_serialno("picture")
        name = f"{FOLDER}/{self.env.docname.replace('/', '-')}-{number}.png"
        draw(code, Path(self.env.srcdir) / name, self.get_location())
        image = nodes.image(uri=f"/{name}", alt=self.arguments[0])
        return [nodes.literal_block(code, code, language="python"), image]


def draw(code: str, file: Path, where: str) -> None:
    """Run code and write its last figure."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    file.parent.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        variables: dict[str, Any] = {}
        exec(compile(code, where, "exec"), variables)
        pyplot.savefig(file)
        pyplot.close("all")


def setup(app: Sphinx) -> dict[str, bool]:
    """Name the directive to Sphinx."""
    app.add_directive("picture", PictureDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
