"""Code that several baselines or stages share."""
