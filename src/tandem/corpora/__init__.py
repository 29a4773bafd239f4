"""How the files of a known corpus are read into rows: one corpus a file.

A corpus has `Params(Plugin)`, `rows(params, archive)`, which yields raw records with an id, a
group and a domain, and `about(params)`: licence, citation and known limits, for the data card.
"""
