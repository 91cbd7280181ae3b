"""The account of a conversion adds up."""

from pathlib import Path

from seglab.convert.report import Fidelity, Report
from seglab.formats.issues import ROWS_SHOWN, Issue, left_out


def test_fidelity_keeps_mean_worst_and_how_many_are_low():
    fidelity = Fidelity()
    assert (fidelity.mean, fidelity.worst) == (1.0, 1.0)
    for iou in (1.0, 0.5, 0.995):
        fidelity.add(iou)
    assert (fidelity.instances, fidelity.worst, fidelity.low) == (3, 0.5, 1) and abs(fidelity.mean - 2.495 / 3) < 1e-12


def test_what_is_lost_is_counted_and_fails_a_strict_conversion():
    report = Report(Path("in"), Path("out"), strict=0.9)
    report.count(area=50.0, own=1.0, other=0.95)
    assert report.passed and report.worst == 0.95 and report.own["small"].instances == 1
    report.note("a.txt", "odd", "kept")
    assert report.passed and not report.lost
    report.add_read(3, [left_out("b.txt", "no area", 2), Issue("b.txt", 1, "odd", "kept")])
    assert (report.instances, report.lost, report.passed) == (5, 2, False)
    assert "2 lost" in str(report) and "NOT WRITTEN" in str(report)


def test_a_million_issues_of_one_type_take_the_memory_of_a_few():
    report = Report(Path("in"), Path("out"))
    for number in range(1000):
        report.lose(f"annotation {number}", f"no area: {number}")
    assert len(report.issues) == ROWS_SHOWN + 1 and report.lost == 1000
    assert "1000 issues" in str(report) and f"{1000 - ROWS_SHOWN} more: no area" in str(report)
