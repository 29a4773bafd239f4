"""What people prefer, learned from their ratings, and how a generator is moved toward it.

    pairs        ratings → pairs of a preferred and a rejected text
    reward_model pairs → a network that scores any text (Bradley–Terry)
    sampling     prompts → continuations that a generator draws, with their probabilities
    direct       ranked continuations → a better generator (DPO)
    divergence   how far a generator has moved: KL
    variety      how long and how varied its texts are

The stages `reward`, `align` and `evaluate_preferences` are made of these.
"""
