"""From any format to any other, without loss, with an account of what was done."""
