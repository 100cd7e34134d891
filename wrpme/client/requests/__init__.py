"""What becomes of a request: where it goes, what its end means, and the direct way of a blocking client."""
