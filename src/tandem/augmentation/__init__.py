"""Operations that derive new training rows: one a file."""
