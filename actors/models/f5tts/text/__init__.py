"""What is written as tokens, and how many frames it takes."""
