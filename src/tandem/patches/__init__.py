"""Optional patches of other people's code, each for tested versions only."""
