"""Code of the seq2seq family only: word alignment, phrases, placeholders, copying."""
