"""Where numbers came from: the records of all stages as one graph, asked, audited, exported."""
