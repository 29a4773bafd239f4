"""Digests of the results that the numeric kernels of the default run compute on this machine.

    python -m tandem.machine.kernels    JSON: kernel → first digits of the SHA-256 of its results

Inputs are integers scaled by a power of two, which are exact on every machine, so different
digests mean that the kernels themselves compute different results. Matrix products, attention,
norms and losses run forward and backward, AdamW updates a weight, and one block of each default
architecture is trained for two steps. `machine.fingerprint` runs this module in a separate process,
with the number of threads and the instruction set pinned in params.yaml.
"""

import hashlib
import json
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as in PyTorch's documentation
from torch import Tensor

DIGITS = 12
"""Number of hexadecimal digits in a digest."""
SHAPES = {
    "minilm_ffn": (512, 384, 1536),
    "minilm_out": (512, 1536, 384),
    "minilm_qkv": (337, 384, 384),
    "smollm_ffn": (96, 576, 1536),
    "smollm_kv": (97, 576, 192),
    "smollm_row": (1, 576, 576),
    "marian_ffn": (300, 256, 1024),
    "head": (33, 384, 3),
    "odd": (7, 129, 65),
}
"""Name → rows, inner dimension and columns of a matrix product."""


def kernels() -> dict[str, str]:
    """Name of a kernel, such as `linear/odd` → its digest."""
    warnings.filterwarnings("ignore")
    groups = (products, attentions, vectors, reductions, optimizers, networks, random)
    # Imports take most of the run time. A forked process imports scikit-learn on another core.
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        other_libraries = pool.submit(libraries)
        digests = {name: value for group in groups for name, value in group().items()}
        return digests | other_libraries.result()


def exact(*shape: int, seed: int = 0) -> Tensor:
    """Float32 multiples of 2**-12 in [-1, 1), from an integer linear congruential generator."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(seed * 7919 + 1)
    mixed = index * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    values = (mixed >> np.uint64(51)).astype(np.int64) - 4096
    return torch.from_numpy(values.astype(np.float32) / 4096).reshape(shape)


def digest(*values: Any) -> str:
    """The first digits of the SHA-256 of the bytes of tensors and arrays."""
    sha256 = hashlib.sha256()
    for value in values:
        array = value.detach().contiguous().numpy() if isinstance(value, Tensor) else value
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()[:DIGITS]


def with_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> str:
    """The digest of a function's value and of its gradients with respect to all `inputs`."""
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    result = function(*leaves)
    torch.autograd.backward((result * exact(*result.shape, seed=9)).sum())
    return digest(result, *(tensor.grad for tensor in leaves))


def products() -> dict[str, str]:
    """Matrix products, mostly with shapes that occur in the default models."""
    digests = {
        name: with_gradients(F.linear, exact(r, i), exact(c, i, seed=1), exact(c, seed=2))
        for name, (r, i, c) in SHAPES.items()
    }
    wide, narrow = exact(384, 384, seed=1), exact(192, 576, seed=1)
    digests["three_dimensions"] = with_gradients(
        F.linear, exact(16, 21, 384), wide, exact(384, seed=2)
    )
    digests["pooled"] = with_gradients(F.linear, exact(16, 384), wide, exact(384, seed=2))
    digests["no_bias"] = with_gradients(F.linear, exact(16, 21, 576), narrow)
    return {f"linear/{name}": value for name, value in digests.items()}


def attentions() -> dict[str, str]:
    """Attention by torch's fused kernel (with each kind of mask) and by matrix products."""
    q, k, v = (exact(8, 12, 41, 32, seed=seed) for seed in (1, 2, 3))
    seen = (torch.arange(41) < 33)[None, None, None, :].expand(8, 1, 41, 41)
    masks: dict[str, dict[str, Any]] = {
        "sdpa": {},
        "causal": {"is_causal": True},
        "masked": {"attn_mask": seen},
        "masked_float": {"attn_mask": torch.where(seen, 0.0, -1e4)},
    }
    digests = {
        f"attention/{name}": with_gradients(
            lambda q, k, v, mask=mask: F.scaled_dot_product_attention(q, k, v, **mask), q, k, v
        )
        for name, mask in masks.items()
    }
    digests["attention/bmm"] = with_gradients(
        lambda q, k, v: torch.softmax(q @ k.transpose(-1, -2), -1) @ v, q, k, v
    )
    return digests


def vectors() -> dict[str, str]:
    """Activations and other element-wise functions."""
    x = exact(257, 384, seed=4)
    positive = x.abs() + 0.25
    digests = {
        f"activation/{name}": with_gradients(getattr(F, name), x)
        for name in ("gelu", "silu", "relu")
    }
    digests["activation/gelu_tanh"] = with_gradients(lambda t: F.gelu(t, approximate="tanh"), x)
    for name in ("exp", "tanh", "erf", "sin", "cos", "sigmoid", "expm1"):
        digests[f"vector/{name}"] = with_gradients(getattr(torch, name), x)
    for name in ("log", "sqrt", "rsqrt", "log1p"):
        digests[f"vector/{name}"] = with_gradients(getattr(torch, name), positive)
    strided = exact(384, 257, seed=4).t()
    digests["vector/exp_strided"] = digest(torch.exp(strided))
    digests["vector/log_strided"] = digest(torch.log(strided.abs() + 0.25))
    return digests


def reductions() -> dict[str, str]:
    """Norms, softmax, sums, losses, and the gradients of an embedding table."""
    x = exact(257, 384, seed=4)
    labels, classes = (x > 0).float(), torch.arange(257) % 384
    table = exact(1000, 64, seed=7).requires_grad_()
    rows = F.embedding(torch.arange(5000) % 997, table)
    torch.autograd.backward((rows * exact(5000, 64, seed=8)).sum())
    return {
        "norm/layer": with_gradients(
            lambda t, w, b: F.layer_norm(t, (384,), w, b), x, exact(384, seed=5), exact(384, seed=6)
        ),
        "norm/rms": with_gradients(
            lambda t: t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + 1e-5), x
        ),
        "reduce/softmax": with_gradients(lambda t: torch.softmax(t, -1), x),
        "reduce/log_softmax": with_gradients(lambda t: torch.log_softmax(t, -1), x),
        "reduce/logsumexp": with_gradients(lambda t: torch.logsumexp(t, -1), x),
        "reduce/sum_mean_norm": digest(x.sum(), x.mean(0), x.norm(), x.std(0), x.cumsum(0)),
        "loss/cross_entropy": with_gradients(
            lambda t: F.cross_entropy(t, classes, reduction="none", label_smoothing=0.1), x
        ),
        "loss/logsigmoid": with_gradients(F.logsigmoid, x),
        "loss/bce": with_gradients(
            lambda t: F.binary_cross_entropy_with_logits(t, labels, reduction="none"), x
        ),
        "embedding": digest(table.grad),
    }


def optimizers() -> dict[str, str]:
    """AdamW, with and without fused kernels, and gradient clipping."""
    digests = {}
    for fused in (False, True):
        weight = exact(300, 300, seed=3).requires_grad_()
        optimizer = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.01, fused=fused)
        for step in range(5):
            optimizer.zero_grad()
            torch.autograd.backward((weight * exact(300, 300, seed=step)).pow(2).sum())
            torch.nn.utils.clip_grad_norm_([weight], 1.0)
            optimizer.step()
        digests["optimizer/adamw_fused" if fused else "optimizer/adamw"] = digest(weight)
    clipped = [exact(300, 300, seed=3).requires_grad_(), exact(7, seed=4).requires_grad_()]
    for tensor in clipped:
        tensor.grad = exact(*tensor.shape, seed=5)
    norm = torch.nn.utils.clip_grad_norm_(clipped, 1.0)
    digests["optimizer/clip_grad_norm"] = digest(norm, *(tensor.grad for tensor in clipped))
    return digests


def networks() -> dict[str, str]:
    """One block of each default architecture: loss, gradients, and weights after two steps."""
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForCausalLM,
        MarianConfig,
        MarianMTModel,
    )
    from transformers.initialization import no_init_weights

    ids = (torch.arange(16 * 27) * 31 % 199 + 1).reshape(16, 27)
    seen = torch.ones_like(ids)
    seen[8:, 20:] = 0
    bert = BertConfig(
        vocab_size=200, hidden_size=384, num_hidden_layers=1, num_attention_heads=12,
        intermediate_size=1536, num_labels=3,
    )  # fmt: skip
    llama = LlamaConfig(
        vocab_size=200, hidden_size=576, num_hidden_layers=1, num_attention_heads=9,
        num_key_value_heads=3, intermediate_size=1536,
    )  # fmt: skip
    marian = MarianConfig(
        vocab_size=200, d_model=256, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=1024, decoder_ffn_dim=1024, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=1,
    )  # fmt: skip
    batch = {"input_ids": ids, "attention_mask": seen}
    # `_train` sets all weights, so the models skip initialization, which takes 1.7 s for Marian.
    with no_init_weights():
        blocks = [
            BertForSequenceClassification(bert),
            LlamaForCausalLM(llama),
            MarianMTModel(marian),
        ]
    return {
        **_train("bert", blocks[0], batch, torch.arange(16) % 3),
        **_train("llama", blocks[1], batch, ids),
        **_train("marian", blocks[2], batch, ids),
    }


def _train(name: str, network: Any, batch: dict[str, Tensor], labels: Tensor) -> dict[str, str]:
    """Digests of a network's logits, loss and gradients, and of its weights after two steps."""
    network.tie_weights()
    network.eval()  # without dropout, because random numbers have separate digests
    with torch.no_grad():
        for index, (key, weight) in enumerate(network.named_parameters()):
            if "norm" in key.lower():
                weight.fill_(not key.endswith("bias"))
            else:
                weight.copy_(exact(*weight.shape, seed=index) / 16)
        digests = {"forward": digest(network(**batch, labels=labels).logits)}
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    for step in range(2):
        optimizer.zero_grad()
        loss = network(**batch, labels=labels).loss
        torch.autograd.backward(loss)
        if step == 0:
            digests["loss"] = digest(loss)
            grads = [weight.grad for weight in network.parameters() if weight.grad is not None]
            digests["gradients"] = digest(*grads)
        optimizer.step()
    digests["trained"] = digest(*network.parameters())
    return {f"network/{name}/{part}": value for part, value in digests.items()}


def random() -> dict[str, str]:
    """Random numbers that torch draws."""
    torch.manual_seed(5)
    normal = digest(torch.randn(1000), torch.empty(1000).normal_(0, 0.02))
    uniform = digest(
        torch.rand(1000),
        F.dropout(torch.ones(1000), 0.1),
        torch.multinomial(torch.rand(50, 300), 4, replacement=True),
        torch.randperm(500),
    )
    return {"random/normal": normal, "random/uniform_dropout_multinomial": uniform}


def libraries() -> dict[str, str]:
    """Kernels of numpy and scikit-learn, and torch's products of 8-bit integers."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    x, y = exact(257, 384, seed=4).numpy(), exact(384, 200, seed=5).numpy()
    words = [" ".join(f"w{(i * 7 + j * j) % 53}" for j in range(9)) for i in range(400)]
    table, classes = TfidfVectorizer().fit_transform(words), [i % 3 for i in range(400)]
    integers: Any = torch.ao.nn.quantized.dynamic.Linear(384, 96)  # type: ignore[no-untyped-call]
    weight = torch.quantize_per_tensor(exact(96, 384, seed=2), 0.01, 0, torch.qint8)
    integers.set_weight_bias(weight, exact(96, seed=3))
    return {
        "int8/dynamic": digest(integers(torch.from_numpy(x))),
        "numpy/matmul32": digest(x @ y),
        "numpy/matmul64": digest(x.astype(np.float64) @ y.astype(np.float64)),
        "numpy/dot_norm": digest(np.dot(x[0], x[1]), np.linalg.norm(x, axis=1)),
        "numpy/exp_log_sum": digest(
            np.exp(x), np.log(np.abs(x) + 0.25), x.sum(0), x.mean(), np.tanh(x)
        ),
        "sklearn/tfidf": digest(table.toarray()),
        "sklearn/linear_svc": digest(LinearSVC(random_state=1).fit(table, classes).coef_),
        "sklearn/logistic": digest(LogisticRegression(max_iter=200).fit(table, classes).coef_),
    }


if __name__ == "__main__":
    json.dump(kernels(), sys.stdout)
