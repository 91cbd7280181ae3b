"""What scripts written for ultralytics carry: accepted, or answered in one sentence."""

# Nothing here is for use from outside.
__all__: list[str] = []
