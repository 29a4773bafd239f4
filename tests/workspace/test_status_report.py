"""The lines that `tandem status` prints."""

import pytest

from tandem.workspace.status.report import Reason, StageStatus, Status, lines


def many(number: int) -> Status:
    """A status with stale stages: `code`, and `number` stages of each of `fetch` and `clean`."""
    reasons = [Reason("code", "src/tandem/core/io.py", "changed")]
    stages = [StageStatus("code", "stale", [Reason("code", "src/tandem", "changed")])]
    stages += [StageStatus(f"fetch@{n}", "stale", reasons) for n in range(number)]
    stages += [
        StageStatus(f"clean@{n}", "stale", [*reasons, Reason("upstream", f"fetch@{n}")])
        for n in range(number)
    ]
    return Status([*stages, *(StageStatus(f"train@{n}", "fresh") for n in range(55))], [])


def test_few_stages_have_a_line_each_and_many_share_one() -> None:
    few = lines(many(2), 120)
    assert few == [
        "stale: 5 stages",
        "  code     src/tandem changed",
        "  fetch@0  src/tandem/core/io.py changed",
        "  fetch@1  src/tandem/core/io.py changed",
        "  clean@0  src/tandem/core/io.py changed; upstream fetch@0",
        "  clean@1  src/tandem/core/io.py changed; upstream fetch@1",
        "fresh: 55 stages",
        "`dvc repro` or `snakemake` brings everything up to date",
    ]
    assert lines(many(26), 120) == [
        "stale: 53 stages",
        "  code        src/tandem changed",
        "  fetch (26)  src/tandem/core/io.py changed",
        "  clean (26)  src/tandem/core/io.py changed; upstream fetch@0, fetch@1 and 24 more",
        "fresh: 55 stages",
        "`dvc repro` or `snakemake` brings everything up to date",
    ]


def test_a_change_of_all_code_takes_one_screen() -> None:
    """Each stage has different reasons, as after a change to all source files."""
    stages = [
        StageStatus(
            f"{group}@{n}",
            "stale",
            [
                *(Reason("code", f"src/tandem/{group}/{n}/{m}.py", "changed") for m in range(40)),
                Reason("package", f"package{n}", old="1", new="2"),
                *([Reason("upstream", f"code@{n}")] if n % 2 else []),
                *([Reason("param", f"task{n}.{group}", old=1, new=2)] if n % 3 else []),
            ],
        )
        for group in (f"stage{n}" for n in range(17))
        for n in range(6)
    ]
    printed = lines(Status(stages, []), 120)
    assert len(printed) == 19
    first = "src/tandem/stage0/0/0.py"
    assert (
        printed[1].startswith(f"  stage0 (6)   {first}") and "and 239 more changed; " in printed[1]
    )


@pytest.mark.parametrize("width", [80, 120])
def test_a_line_is_never_wider_than_the_terminal(width: int) -> None:
    path = "reports/predictions/translation/a-name-that-is-very-long-indeed/preferences"
    cure = "`dvc checkout` restores it"
    reasons = [Reason("output", f"{path}/{n}", "is not in the workspace", cure) for n in range(3)]
    reasons += [Reason("param", f"a.b.c{n}", old="x" * 99, new=n) for n in range(9)]
    report = Status([StageStatus(f"stage@{'x' * n}", "stale", reasons) for n in range(60)], [])
    printed = lines(report, width)
    assert max(map(len, printed)) <= width and all("\x1b" not in line for line in printed)
    alone = lines(Status([StageStatus("a", "missing", reasons[:1])], []), width)[1]
    assert alone.startswith("  a  reports/predictions/") and "`dvc checkout` restores it" in alone
