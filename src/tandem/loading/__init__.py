"""Load models, tokenizers, tensors and datasets that other programs wrote, and nowhere else.

    folders     checks the files of a model folder before any library reads them
    tensors     reads safetensors files
    pretrained  loads configs, networks and tokenizers with transformers
    datasets    loads datasets in the layout of the Hugging Face hub

No code of a model is run, no pickle is read, no question is asked on standard input, and no folder
can make a library connect to a hub. A folder that breaks a rule is an error in one line that names
the file and the key. `tests/loading/test_calls.py` finds loading calls outside of this package.
"""
