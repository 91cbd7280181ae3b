"""Experiment trackers that follow a training where a user names them, one file each, by their own libraries."""

# None of its modules is used from outside: a training is told the name of a tracker, as in loggers=wandb.
__all__: list[str] = []
