"""Published beside reproduced: statistics, tables, figures, and one self-contained page."""
