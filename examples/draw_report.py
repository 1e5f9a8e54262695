"""Take a picture of the demo's report, with the confusion matrix and the model.

make demo
.venv/bin/python examples/draw_report.py visualwords-demo docs/report.png

It needs Chromium and the package playwright.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SECTIONS = ("confusion-title", "model")
WIDTH, HEIGHT = 760, 800


def main(demo: Path, picture: Path) -> None:
    """Draw the beginnings of the sections side by side."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        size = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_page(viewport=size, reduced_motion="reduce")
        page.goto((demo / "run" / "report.html").resolve().as_uri())
        sheet = Image.new("RGB", (len(SECTIONS) * WIDTH, HEIGHT))
        for number, section in enumerate(SECTIONS):
            page.evaluate(f"document.getElementById({section!r}).scrollIntoView()")
            view = Image.open(io.BytesIO(page.screenshot()))
            sheet.paste(view, (number * WIDTH, 0))
        browser.close()
    sheet.quantize(256).save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
