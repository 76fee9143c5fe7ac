"""Speech by HTTP: the model `openai` speaks through servers with OpenAI's speech interface."""
