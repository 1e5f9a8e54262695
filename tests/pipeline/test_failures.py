"""Images that cannot be used: kinds and reasons, what is tried again, when a job gives up."""

import pyarrow.compute as pc
import pytest

from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.pipeline.extract import TooManyFailuresError
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import ManifestSource, SourceError

CHEAP = [HueHistogram(), HOG(image_size=(16, 16))]


def test_every_image_is_ok_or_has_failed_with_a_kind_and_a_reason(images, tmp_path):
    png = (images / "brick" / "01.png").read_bytes()
    jpg = (images / "brick" / "00.jpg").read_bytes()
    odd = {
        "brick/empty.jpg": (b"", "not an image"),
        "brick/text.jpg": (b"hello", "not an image"),
        "brick/half.png": (png[: len(png) // 2], "damaged"),
        "brick/half.jpg": (jpg[: len(jpg) // 2], "damaged"),
        "rocket/tail.jpg": (jpg[:-1], "damaged"),
        "rocket/page.pdf": (b"%PDF-1.7", "unsupported"),
    }
    for name, (data, _) in odd.items():
        (images / name).write_bytes(data)
    (images / "coffee" / "link.png").symlink_to("nowhere.png")
    (images / "coffee" / "png-inside.jpg").write_bytes(png)
    (images / "coffee" / "größe 漢字.dat").write_bytes(jpg)
    table = extract(images, tmp_path / "store", CHEAP).images
    kinds = dict(zip(table["path"].to_pylist(), table["kind"].to_pylist(), strict=True))
    failed = {name: kind for name, kind in kinds.items() if kind}
    expected = {name: kind for name, (_, kind) in odd.items()}
    assert failed == expected | {"coffee/link.png": "unreadable"}
    assert pc.sum(pc.equal(table["status"], "ok")).as_py() == 36 + 2
    reasons = table.filter(pc.equal(table["status"], "failed"))["reason"]
    assert reasons.null_count == 0
    assert extract(images, tmp_path / "store", CHEAP).work.decoded == 0


def test_what_could_not_be_read_is_tried_again_and_what_is_damaged_is_not(images, tmp_path):
    store, file = tmp_path / "store", images / "brick" / "00.jpg"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    (images / "brick" / "02.jpg").rename(tmp_path / "away")
    (images / "brick" / "02.jpg").symlink_to(tmp_path / "nowhere")
    first = extract(images, store, CHEAP)
    is_failed = pc.equal(first.images["status"], "failed")
    assert first.images.filter(is_failed)["kind"].to_pylist() == ["damaged", "unreadable"]
    assert first.paths().tolist() == first.images.filter(pc.invert(is_failed))["path"].to_pylist()
    assert len(first.paths()) == len(first.labels()) == len(first.matrix()) == 34
    assert repr(first) == "Extraction(36 images, 34 ok, hue 10, hog 36)"
    (images / "brick" / "02.jpg").unlink()
    (tmp_path / "away").rename(images / "brick" / "02.jpg")
    assert extract(images, store, CHEAP).work.decoded == 1
    retried = extract(images, store, CHEAP, retry_failed=["damaged"])
    assert retried.work.decoded == 1
    failed = retried.images.filter(pc.equal(retried.images["status"], "failed"))
    assert failed["attempts"].to_pylist() == [2]
    assert extract(images, store, CHEAP, retry_failed=["time-out"]).work.decoded == 0
    with pytest.raises(ValueError, match=r"retry_failed: no kind of failure 'damagd'; .*damaged"):
        extract(images, store, CHEAP, retry_failed=["damagd"])
    with pytest.raises(TypeError, match=r"expected a list, such as \['damaged'\]"):
        extract(images, store, CHEAP, retry_failed="damaged")
    file.write_bytes(data)
    assert extract(images, store, CHEAP).is_ok.all()


@pytest.mark.parametrize("allowed", [2, 0.05])
def test_too_many_failures_end_the_job_and_keep_what_was_computed(images, tmp_path, allowed):
    for i in range(3):
        file = sorted(images.rglob("*.jpg"))[i]
        file.write_bytes(file.read_bytes()[:-20])  # the header is sound
    with pytest.raises(TooManyFailuresError, match="3 of 36 images failed, more than"):
        extract(images, tmp_path / "store", CHEAP, max_failures=allowed, n_jobs=1)
    assert extract(images, tmp_path / "store", CHEAP, max_failures=3).work.decoded == 0


class Slow(ManifestSource):
    """Images of which one is never read to its end."""

    def read(self, location):
        if location.endswith("coffee/03.png"):
            import time

            time.sleep(3)
        return super().read(location)


def test_an_image_that_takes_too_long_is_a_failure(crops, tmp_path):
    manifest = tmp_path / "all.csv"
    manifest.write_text("path\n" + "\n".join(str(file) for file in sorted(crops.rglob("*.*"))))
    store = tmp_path / "store"
    extract(crops, store, [HueHistogram(n_bins=3)])  # the scan has read all
    result = extract(Slow(manifest), store, CHEAP, time_limit=0.5, n_jobs=1)
    failed = result.images.filter(pc.equal(result.images["status"], "failed"))
    assert failed["path"].to_pylist() == [str(crops / "coffee" / "03.png")]
    assert failed["kind"].to_pylist() == ["time-out"]
    assert extract(crops, store, CHEAP).work.decoded == 0
    assert extract(crops, store, CHEAP, retry_failed=["time-out"]).is_ok.all()


class Changing(ManifestSource):
    """Images of which one is another when it is read for the second time."""

    n_reads = 0

    def read(self, location):
        if location.endswith("coffee/03.png"):
            self.n_reads += 1
            if self.n_reads > 1:
                return super().read(location.replace("03.png", "05.png"))
        return super().read(location)


def test_a_file_that_changes_while_the_job_runs_has_no_row(crops, tmp_path):
    manifest = tmp_path / "all.csv"
    manifest.write_text("path\n" + "\n".join(str(file) for file in sorted(crops.rglob("*.*"))))
    result = extract(Changing(manifest), tmp_path / "store", CHEAP)
    failed = result.images.filter(pc.equal(result.images["status"], "failed"))
    assert failed["kind"].to_pylist() == ["changed"]
    assert "run the job again" in failed["reason"][0].as_py()
    again = extract(manifest, tmp_path / "store", CHEAP)
    assert (again.work.decoded, again.is_ok.all()) == (1, True)
    with pytest.raises(SourceError, match=r"03\.png: the file was changed"):
        extract(Changing(manifest), tmp_path / "learn", [BagOfVisualWords(n_words=4)])
