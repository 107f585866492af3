"""From many starts to the best maximum: races, escapes, and the map of the maxima."""
