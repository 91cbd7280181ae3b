"""Tools for exploring masks, in notebooks and as a web page; the network runs only once per image."""

from seglab.widgets.assignment import assignment
from seglab.widgets.confusion import confusion_explorer
from seglab.widgets.distribution import distribution
from seglab.widgets.explorer import explore
from seglab.widgets.overlaps import overlap_explorer
from seglab.widgets.page import explorer_page
from seglab.widgets.prototypes import prototypes

# What may be used from outside: the tools, and the modules with the parts that lessons show.
__all__ = [
    "assignment",
    "confusion_explorer",
    "distribution",
    "explore",
    "explored_image",
    "explorer",
    "explorer_page",
    "forward_pass",
    "images",
    "overlap_explorer",
    "prototypes",
]
