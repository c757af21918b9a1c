"""What pytest leaves alone here."""

# A script, not a test; doctest collection would import it, and with it torch.
collect_ignore = ["record_transformers.py"]
