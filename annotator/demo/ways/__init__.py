"""Streets, motorway and railway, and what belongs to them."""
