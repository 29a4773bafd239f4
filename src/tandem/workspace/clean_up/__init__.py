"""`tandem clean-up` removes what no longer belongs to any stage of dvc.yaml.

tandem clean-up           list what can be removed, ask, remove it
tandem clean-up --yes     list it and remove it without asking
tandem clean-up --json    print the list as JSON (docs/schemas/clean-up.json), without asking

When a user removes a task, a method or a stage from params.yaml or dvc.yaml, dvc.lock and the
records in reports/lineage still contain the removed stages. The command removes the entries of
these stages in dvc.lock, their outputs, their records, the lines of .gitignore that DVC wrote for
their outputs, and those entries of dvc.yaml's `artifacts` whose path no stage makes.

A file is removed only if dvc.lock or the record of a removed stage names it as an output, and its
content is still what the stage wrote. Other files are kept and listed: outputs of a present stage
or .dvc file, files that a stage reads, and files that a person added or edited. DVC's cache and
remote are not changed: use `dvc gc` to clean them.
"""
