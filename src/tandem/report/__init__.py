"""From metrics to a summary, cards and a page: everything here is read, nothing is measured.

figures   metrics files → one flat, sorted list of figures
views     figures and counts → what the page shows of a task
charts    loss curves, and scores against size and latency → SVG
names     how metrics, variants and reasons are called and written
render    views → HTML and Markdown, by the templates
"""
