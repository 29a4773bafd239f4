"""`tandem status` reports which stages are fresh, stale, missing, frozen or running, and why.

tandem status           print the states; exit code 0 if there is nothing to do, else 1
tandem status --json    print the states as JSON, described by docs/schemas/status.json

As in `dvc status`, the state of a stage depends on the content of the files that the stage reads.
The differences from `dvc status` are:

- a change is reported once, for the stage that it affects directly; the stages downstream have
  the reason `upstream`;
- the stage `code`, which computes digests of the other stages' code, is not executed: the files
  that it would write are computed and compared with those of each stage's last run;
- a stage whose outputs only have to be restored does not make other stages stale.

The command executes no stage and writes nothing, not even DVC's locks and checksums.
"""
