"""How a model learns: assignment, loss, optimization and the training loop."""

# The modules that may be used from outside.
__all__ = ["arguments", "assign", "checkpoint", "distributed", "engine", "loss", "optim", "recipes", "trainer"]
