"""`tandem status` says which stages are fresh, stale, missing, frozen or running, and why.

tandem status           one screen; exit code 0 if there is nothing to do, else 1
tandem status --json    the same as an object, described by docs/schemas/status.json

A stage's state follows from the content of what it reads, as for `dvc status`, with these
differences:

- a change is reported once, where it is; the stages downstream have the reason `upstream`;
- the stage `code`, which computes digests of the others' code, is not executed: the files that it
  would write are computed and compared with those of each stage's last run;
- a stage whose outputs only have to be restored makes no other stage stale.

Nothing is executed and nothing is written: no file of the project, no lock and no checksum of DVC.
"""
