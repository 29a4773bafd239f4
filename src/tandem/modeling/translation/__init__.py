"""What only the seq2seq family needs: alignment, phrases, placeholders, copying."""
