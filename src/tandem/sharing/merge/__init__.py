"""Merge branches on which different stages were run.

    dvc.lock                        merged by stage: an entry is taken whole from one side, or dropped
    records, details and metrics    the files of the side from which the entry was taken
    reports/summary.json            kept as it is on our side; the stage `report` writes it again

Git runs the driver (`driver`) that `tandem setup-git` (`git_setup`) installs. Where Git cannot run
it, as on a hosting service, `tandem merge-lock` (`resolution`) does the same afterwards.
"""
