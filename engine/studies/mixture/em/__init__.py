"""EM for a batch of chains: passes over the rows, M-steps, missing values, relatives of EM."""
