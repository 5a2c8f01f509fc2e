"""Methods as data: networks, wiring and loss terms. The trainer knows none of them by name."""
