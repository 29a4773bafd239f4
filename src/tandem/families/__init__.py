"""What a model family can be set to, below `train.model`: one family a file, as in `modeling`.

The settings stand apart from the models so that params.yaml is checked without torch.
"""
