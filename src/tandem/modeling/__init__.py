"""Model families: one a file. Only stages that train or run a model import from here."""
