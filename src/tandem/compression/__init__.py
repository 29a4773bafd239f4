"""Ways to make a trained model smaller or faster: one method a file.

A method's module has

    Params      its settings, the part of a task's section that bears the method's name
    compress    writes the smaller model into a folder
    restore     reads that folder, where `from_pretrained` of Hugging Face cannot; such a folder
                holds tandem.json, which names the method

A new method is one such file, its name under `methods` in params.yaml and a part a task.
"""
