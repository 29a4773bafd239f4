"""Build the summary, the cards and the page from metrics files, without measuring anything.

scores    metrics files → one flat, sorted list of scores
latency   benchmarks/latency.json, matched with the models that were evaluated
views     scores and row counts → what the page shows about a task
charts    loss curves, and scores against size and latency → SVG
labels    titles of metrics and variants, and the format of numbers
render    views → HTML and Markdown, through templates
"""
