"""The studies: four sources reproduced, and what goes beyond them; each of one shape."""
