"""Tools to look into masks with, in notebooks and as a page of their own: the network runs once, looking is free."""
