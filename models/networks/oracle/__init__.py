"""The float32 oracle: what the networks compute before anything is quantized."""
