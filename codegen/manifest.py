"""Manifest: what a package holds, with the hash of each file; it is written last."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codegen.files import finite
from codegen.image import Image
from codegen.origin import NOTE, Origin
from models.errors import InputError
from models.networks.machine import MachineConfig

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Contents:
    """What a manifest tells besides the files; `ports` are direction and bits by name."""

    top: str
    config: MachineConfig
    image: Image
    ports: dict[str, tuple[str, int]]
    clock_hz: float


def manifest(contents: Contents, files: dict[str, bytes], origin: Origin) -> str:
    """JSON text of the manifest of `files`, sizes in bytes."""
    config, image = contents.config, contents.image
    design = config.design.model_dump(mode="json")
    fields = {
        "generated_by": {"command": origin.command, "puffadder": origin.version},
        "note": NOTE,
        "files": {
            name: {"sha256": _hash(content), "bytes": len(content)}
            for name, content in sorted(files.items())
        },
        "shape": finite(asdict(config.shape)),
        "precision": design.pop("precision"),
        "design": design,
        "image": {
            "port_bits": image.port_bits,
            "ports": image.ports,
            "stream_words": len(image.stream),
            "prefix_words": image.prefix,
            "embedding_address": image.embedding,
            "embedding_stride": image.row_words * image.octets,
            "row_words": image.row_words,
            "rows": len(image.rows),
        },
        "top": contents.top,
        "clock_hz": contents.clock_hz,
        "ports": {
            name: {"direction": direction, "bits": bits}
            for name, (direction, bits) in contents.ports.items()
        },
    }
    return json.dumps(fields, indent=2, allow_nan=False) + "\n"


def verify(folder: Path) -> dict[str, Any]:
    """The manifest in `folder`, after all files were found to be as it says.

    Raises InputError naming the file that is missing or different.
    """
    path, way_out = folder / MANIFEST, "generate the package again"
    if not path.exists():
        raise InputError(f"{path}", "must be there, or the package is not whole", way_out)
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        hashes = {name: entry["sha256"] for name, entry in fields["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}", "must be a manifest of puffadder", way_out) from None
    for name, expected in hashes.items():
        file = folder / name
        if not file.exists():
            raise InputError(f"{file}", "must be there, as the manifest says", way_out)
        found = _hash(file.read_bytes())
        if found != expected:
            raise InputError(
                f"{file}", f"must have the manifest's SHA-256 {expected}, not {found}", way_out
            )
    return fields


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
