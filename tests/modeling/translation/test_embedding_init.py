import torch
from torch.nn.functional import normalize

from tandem.core.params import Runtime
from tandem.modeling.seeding import make_torch_deterministic
from tandem.modeling.translation.embedding_init import init_from_cooccurrence

# Tokens 1 and 2 always occur together, as do 3 and 4; 0 is in all texts and 5 in none.
TEXTS = [{0, 1, 2}, {0, 3, 4}, {0, 1, 2, 3, 4}, {0, 1, 2}, {0, 3, 4}]


def initialize_embeddings(seed: int = 13) -> tuple[torch.Tensor, torch.Tensor]:
    make_torch_deterministic(Runtime(seed=seed, threads=1, isa="avx2", device="cpu"))
    weight = torch.nn.Parameter(torch.randn(6, 64) / 8)
    before = weight.detach().clone()
    init_from_cooccurrence(weight, TEXTS)
    return before, weight.detach()


def test_tokens_of_the_same_texts_become_similar_but_not_equal() -> None:
    _, weight = initialize_embeddings()
    similarities = normalize(weight, dim=1) @ normalize(weight, dim=1).T
    assert similarities[1, 2] > similarities[1, 3] + 0.2
    assert similarities[3, 4] > similarities[2, 3] + 0.2
    assert similarities.triu(1).max() < 0.9


def test_rows_have_length_one_and_an_unseen_token_is_unchanged() -> None:
    before, weight = initialize_embeddings()
    assert torch.allclose(weight[1:5].norm(dim=1), torch.ones(4), atol=1e-5)
    assert torch.equal(weight[5], before[5])


def test_the_same_seed_gives_the_same_bits() -> None:
    assert torch.equal(initialize_embeddings()[1], initialize_embeddings()[1])
