import numpy as np
import pytest

from visualwords.benchmarks.page_checks import PHONE, accessibility, phone_width
from visualwords.classifiers import CrossEntropy, Hinge, Objective
from visualwords.pipeline.report.explore import toy_problem


def state(page):
    return page.evaluate("({W: handsOn.W, value: handsOn.value(), gradient: handsOn.gradient()})")


@pytest.mark.parametrize(("name", "loss"), [("softmax", CrossEntropy()), ("hinge", Hinge())])
def test_value_and_gradient_are_those_of_the_library(report_run, open_file, name, loss):
    page, toy = open_file(report_run.explorer), toy_problem()
    page.select_option("#loss", name)
    objective = Objective(np.array(toy["X"]), np.array(toy["y"]), loss, alpha=0.01, n_classes=3)
    for _ in range(3):
        shown = state(page)
        value, gradient = objective(np.array(shown["W"]))
        assert shown["value"] == pytest.approx(value, abs=1e-6)
        np.testing.assert_allclose(shown["gradient"], gradient, atol=1e-6)
        page.get_by_role("button", name="Take a gradient step").click()
    assert page.faults == []


def test_gradient_step_lowers_the_loss(report_run, open_file):
    page = open_file(report_run.explorer)
    before = float(page.locator("#value").inner_text())
    page.get_by_role("button", name="Take 20").click()
    after = float(page.locator("#value").inner_text())
    assert after < before
    page.get_by_role("button", name="Start over").click()
    assert float(page.locator("#value").inner_text()) == before


def test_moving_a_weight_changes_the_loss_and_the_regions(report_run, open_file):
    page = open_file(report_run.explorer)
    picture = "document.getElementById('plane').toDataURL()"
    value, drawing = page.locator("#value").inner_text(), page.evaluate(picture)
    page.locator("#w00").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert page.locator("#value").inner_text() != value
    assert page.evaluate(picture) != drawing


def test_charts_of_the_run_are_there_for_all(report_run, open_file):
    page = open_file(report_run.explorer)
    assert page.locator("svg.chart").count() == 5
    assert phone_width(page) <= PHONE
    assert accessibility(page)
