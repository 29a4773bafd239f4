"""`tandem clean-up` removes what no longer belongs to any stage in dvc.yaml.

tandem clean-up           list what can be removed, ask for confirmation, remove it
tandem clean-up --yes     list what can be removed, and remove it without asking
tandem clean-up --json    print the list as JSON (docs/schemas/clean-up.json), do not ask, and
                          remove nothing unless --yes is given

After a user has removed a task, a method or a stage from params.yaml or dvc.yaml, the removed
stages are still in dvc.lock and in the records in reports/lineage. The command removes the entries
of these stages in dvc.lock, their outputs, their records, the lines of .gitignore that DVC wrote
for their outputs, and those entries of dvc.yaml's `artifacts` whose path is not an output of any
stage.

A file is removed only if dvc.lock or the record of a removed stage names it as an output, and its
content is still what the stage wrote. Other files are kept and listed: outputs of the remaining
stages, files tracked by .dvc files, files that a stage reads, and files that a person added or
edited. DVC's cache and remote are not changed: use `dvc gc` to clean them.
"""
