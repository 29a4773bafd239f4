"""Code that only the seq2seq family uses: word alignment, phrases, placeholders, copying."""
