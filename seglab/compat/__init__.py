"""Arguments and methods of scripts written for ultralytics: accepted, or answered in one sentence."""

# Nothing here is for use from outside.
__all__: list[str] = []
