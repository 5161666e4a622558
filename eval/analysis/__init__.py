"""The style of responses, from any trajectories: words, vectors, similarity, lengths, writers."""
