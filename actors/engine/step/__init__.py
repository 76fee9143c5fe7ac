"""One step of the engine on its device: its shapes, its operators, its CUDA graphs, and the ends that it draws."""
