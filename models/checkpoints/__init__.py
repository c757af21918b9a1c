"""Checkpoints: reading them, and the one that comes with puffadder."""

from pathlib import Path


def bundled() -> Path:
    """Folder of the bundled checkpoint: a byte-level Mamba-2 of half a million parameters.

    >>> sorted(file.name for file in bundled().iterdir())
    ['config.json', 'model.safetensors', 'train_log.json']
    """
    return Path(__file__).parent / "pydoc"
