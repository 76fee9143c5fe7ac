"""What the machine has: devices, memory, and a cache on its disk."""
