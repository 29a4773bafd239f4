"""Learn preferences from ratings, and align a generator with these preferences.

    params           params that several stages share
    pairs            ratings → pairs of a preferred and a rejected text
    reward_model     pairs → a network that scores any text (Bradley–Terry)
    reward_training  train and write a reward model
    sampling         prompts → sampled continuations with their probabilities
    dpo              ranked continuations → an aligned generator
    kl               how far a generator has moved from its base model
    diversity        how varied a generator's texts are
    intervals        metrics of pairs and samples, with confidence intervals
    completions      metrics of the texts that a generator writes
    evaluation       the comparison of two generators

The stages `reward`, `judge`, `align` and `evaluate_preferences` use these modules.
"""
