import io

from rich.console import Console

from visualwords.pipeline.stages import Stages


def test_a_stage_ends_in_one_line_with_its_summary_and_time():
    output = io.StringIO()
    stages = Stages(Console(file=output, width=100))
    for _ in range(2):
        with stages.stage("scan", total=3) as stage:
            stage.advance(3)
            stage.summary = "3 images"
    lines = output.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("scan       3 images ")
    assert lines[0].endswith(" s")
    assert set(stages.seconds) == {"scan"}
    assert stages.seconds["scan"] > 0


def test_nothing_is_printed_without_a_console(capsys):
    with Stages().stage("scan", total=1):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_while_the_stage_runs():
    output = io.StringIO()
    with Stages(Console(file=output, force_terminal=True)).stage("scan", total=2) as stage:
        stage.advance(1)
    assert "1/2" in output.getvalue()
