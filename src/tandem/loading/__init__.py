"""The one place that reads models, tokenizers, tensors and datasets that other programs wrote.

    folders     checks the files of a model folder before any library sees them; standard library
    tensors     safetensors files
    pretrained  configs, networks and tokenizers, by transformers
    datasets    datasets in the form of the Hugging Face hub

No code of a model runs, no pickle is read, nothing is asked on standard input, and a folder never
makes a library reach a hub. What breaks a rule ends in one line that names the file and the key.
`tests/loading/test_calls.py` finds every such call outside of this package.
"""
