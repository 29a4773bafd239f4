"""Merge branches on which different stages were run.

    dvc.lock                            each stage's entry from the side that changed it; if both
                                        sides changed an entry, its stage becomes stale
    run records, detail files, metrics  the files from the side whose entry is used
    reports/summary.json                our version, until the stage `report` writes the file again

Git runs the merge driver (module `driver`) that `tandem setup-git` (module `git_setup`) installs.
Where Git cannot run the driver, for example on a hosting service, `tandem merge-lock` (module
`resolution`) merges dvc.lock and the stage outputs afterwards, in the same way.
"""
