"""`tandem clean-up` removes what no longer belongs to any stage of dvc.yaml.

tandem clean-up           list it, ask, remove it
tandem clean-up --yes     do not ask
tandem clean-up --json    the same as JSON, described by docs/schemas/clean-up.json; never asks

After a task, a method or a stage has been removed from params.yaml or dvc.yaml, dvc.lock and the
records in reports/lineage still name it. The command removes its entry in dvc.lock, its outputs,
its record, lines of .gitignore that DVC wrote for its outputs, and entries of dvc.yaml's
`artifacts` whose path no stage makes.

A file is removed only if dvc.lock or the record of a removed stage names it as an output, and its
content is still what the stage wrote. What a stage or a .dvc file now owns, what a stage reads, and
what a person added or edited is kept and listed. DVC's cache and remote are not touched: use
`dvc gc` to clean those.
"""
