"""How it learns: assignment, loss, optimisation and the training loop."""
