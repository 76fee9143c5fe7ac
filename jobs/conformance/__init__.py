"""The laws that every model and every judge keeps, checked on one: what the rest of speechmill builds on."""
