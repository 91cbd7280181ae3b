"""From any format to any other, without loss, with an account of what was done."""

from seglab.convert.conversion import convert as convert
