"""Where rows and weights come from: one kind of source a file."""
