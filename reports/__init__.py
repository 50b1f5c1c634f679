"""Reports of cans: taken in, stored, answered."""
