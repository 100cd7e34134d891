"""Operations on many entries at once: together, or each by itself."""
