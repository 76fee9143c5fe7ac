"""What the programs of this folder are made of."""
