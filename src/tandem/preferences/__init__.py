"""What people prefer, learned from their ratings, and how a generator is moved toward it.

    settings     what the stages' params share
    pairs        ratings → pairs of a preferred and a rejected text
    reward_model pairs → a network that scores any text (Bradley–Terry)
    sampling     prompts → continuations that a generator draws, with their probabilities
    direct       ranked continuations → a better generator (DPO)
    divergence   how far a generator has moved: KL
    variety      how varied its texts are
    estimates    figures with intervals
    judging      all of these on what a generator writes

The stages `reward`, `align` and `evaluate_preferences` are made of these.
"""
