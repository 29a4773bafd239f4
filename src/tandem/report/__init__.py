"""Build summary.json, the data and model cards, and the HTML page from recorded results.

scores    metrics files → one flat, sorted list of scores
latency   benchmarks/latency.json, matched with the models that were evaluated
views     scores and row counts → the content of the page and the cards for each task
charts    loss curves, and scores against size and latency → SVG
labels    titles of metrics and variants, and the format of numbers
render    views → HTML and Markdown, through templates
"""
