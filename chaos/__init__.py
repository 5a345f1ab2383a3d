"""What goes wrong, made to go wrong on purpose."""
