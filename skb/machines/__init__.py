"""The machines that a service knows: the live one, called `local`, and those loaded beside it."""
