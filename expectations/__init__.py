"""Quality checks at the two borders of the warehouse: raw in, marts out."""
