"""Merge branches on which different stages were run.

    dvc.lock                        by stage: the entry of the side that changed it; if both sides
                                    did, the stage becomes stale
    records, details and metrics    the files of the side whose entry is taken
    reports/summary.json            ours, until the stage `report` has written it again

Git runs the driver (`driver`) that `tandem setup-git` (`git_setup`) installs. Where Git cannot run
it, as on a hosting service, `tandem merge-lock` (`resolution`) does the same afterwards.
"""
