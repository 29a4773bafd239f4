"""The only package that loads models, tokenizers, tensors and datasets written by other programs.

    folders     checks the files of a model folder before any library reads them
    tensors     reads safetensors files
    pretrained  loads configs, networks and tokenizers with transformers
    datasets    loads datasets in Hugging Face Hub layout

No model code is run, no pickle is read, no library prompts for input, and no folder can make a
library connect to a hub. If a folder is rejected, a one-line error names the file and, if possible,
the config key that caused the rejection. `tests/loading/test_calls.py` checks that code outside of
this package does not call the loading functions of libraries.
"""
