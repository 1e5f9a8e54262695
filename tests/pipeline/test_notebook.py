"""What a notebook shows of runs and estimators."""

import re

from visualwords import HOG, BagOfVisualWords, HueHistogram, Softmax
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run


def test_a_run_shows_its_images_scores_and_confusions(crops, test_crops, tmp_path):
    folder = tmp_path / "<b>run"
    run = Run(folder)
    assert "Run " in run._repr_html_()  # before there is anything
    metrics = run.run(crops, test_crops, Recipe().with_features(["hue"]))
    (folder / "report.html").write_text("")
    shown = Run.open(folder)._repr_html_()
    assert "<b>" not in shown
    assert 'report.html">report.html</a>' in shown
    for said in (str(crops), str(test_crops), "hue"):
        assert said in shown
    for scores in metrics["classifiers"].values():
        assert f"<td>{scores['by_features']['hue']:.4f}</td>" in shown
        shares = [count / sum(row) for row in scores["confusion"] for count in row if count]
        drawn = [float(share) for share in re.findall(r'fill-opacity="([\d.]+)"', shown)]
        assert {round(share, 3) for share in shares} <= set(drawn)
    assert repr(run) == f"Run({str(folder)!r})"


def test_estimators_show_their_parameters():
    for estimator in (HOG(orientations=7), HueHistogram(7), BagOfVisualWords(7), Softmax(7.0)):
        shown = estimator._repr_html_()
        assert type(estimator).__name__ in shown
        assert "7" in repr(estimator)
