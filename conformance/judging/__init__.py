"""How a verdict is made: which networks are asked, how answers are judged, what is tallied."""
