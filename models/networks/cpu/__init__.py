"""Whole networks on the CPU, made of compiled kernels: in float32, and of integers."""
