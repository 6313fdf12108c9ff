"""Everything of ours that runs inside Superset's own environment."""
