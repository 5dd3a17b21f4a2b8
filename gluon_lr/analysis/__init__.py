"""Numbers from records: which belong together, what is measured of each, and what follows over seeds."""
