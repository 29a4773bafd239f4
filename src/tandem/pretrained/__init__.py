"""Where weights come from: one kind of source a file.

A source has `Params(Plugin)`; `write(params, folder, runtime)`, which fills a folder as
`from_pretrained` of Hugging Face reads it (JSON, safetensors, tokenizer); and `pins(params)`,
which names the bytes for the folder's README.md.
"""
