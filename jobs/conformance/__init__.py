"""The laws that every model keeps, checked on one: what the rest of speechmill builds on."""
