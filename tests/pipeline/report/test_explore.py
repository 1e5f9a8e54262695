import numpy as np
import pytest

from visualwords.benchmarks.page_checks import PHONE, accessibility, open_page, phone_width
from visualwords.classifiers import CrossEntropy, Hinge, Objective
from visualwords.pipeline.report.explore import toy_problem


@pytest.fixture(scope="module")
def opened(report_run, browser):
    page = open_page(browser, report_run.explorer)
    yield page
    page.close()


@pytest.fixture
def page(opened):
    """The explorer as it is when it is opened; no test may leave a fault."""
    opened.select_option("#loss", "softmax")
    opened.get_by_role("button", name="Start over").click()
    yield opened
    assert opened.faults == []


def state(page):
    return page.evaluate("({W: handsOn.W, value: handsOn.value(), gradient: handsOn.gradient()})")


@pytest.mark.parametrize(("name", "loss"), [("softmax", CrossEntropy()), ("hinge", Hinge())])
def test_value_and_gradient_are_those_of_the_library(page, name, loss):
    toy = toy_problem()
    page.select_option("#loss", name)
    objective = Objective(np.array(toy["X"]), np.array(toy["y"]), loss, alpha=0.01, n_classes=3)
    for _ in range(3):
        shown = state(page)
        value, gradient = objective(np.array(shown["W"]))
        assert shown["value"] == pytest.approx(value, abs=1e-6)
        np.testing.assert_allclose(shown["gradient"], gradient, atol=1e-6)
        page.get_by_role("button", name="Take a gradient step").click()


def test_gradient_step_lowers_the_loss(page):
    before = float(page.locator("#value").inner_text())
    page.get_by_role("button", name="Take 20").click()
    after = float(page.locator("#value").inner_text())
    assert after < before
    page.get_by_role("button", name="Start over").click()
    assert float(page.locator("#value").inner_text()) == before


def test_moving_a_weight_changes_the_loss_and_the_regions(page):
    picture = "document.getElementById('plane').toDataURL()"
    value, drawing = page.locator("#value").inner_text(), page.evaluate(picture)
    page.locator("#w00").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert page.locator("#value").inner_text() != value
    assert page.evaluate(picture) != drawing


def test_charts_of_the_run_are_there_for_all(page):
    assert page.locator("svg.chart").count() == 5
    assert phone_width(page) <= PHONE
    assert accessibility(page)
