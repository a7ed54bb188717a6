"""What a run on a cluster leaves on disk: one file, one moment of all shards, whose run it is, whole or not at all."""

import hashlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._written import draft

NAME = "checkpoint.npz"

Saved = dict[str, NDArray]


def identity(algorithm: Any, theta: NDArray, sizes: Sequence[int], workers: int) -> dict[str, Any]:
    """What two runs must share for one to go on where the other was."""
    return {
        "algorithm": repr(algorithm), "sizes of shards": list(sizes), "workers": workers, "numbers": str(theta.dtype),
        "start": hashlib.sha256(theta.tobytes()).hexdigest()[:16],
    }  # fmt: skip


def write(folder: Path, about: dict[str, Any], saved: Sequence[Saved]) -> None:
    """Save a cut of all shards, so that a reader finds the old one or the new one, and on disk when this returns.

    Raises
    ------
    OSError : the disk is full, or the folder cannot be written; FileExistsError : another run writes there too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    if path.exists() and _about(path).get("run") != about["run"]:
        raise FileExistsError(f"{path} is now another run's: give each run a folder of its own, checkpoint=...")
    for half in folder.glob(f".{NAME}.*"):  # of a process that was killed while it wrote
        half.unlink(missing_ok=True)
    arrays = {f"{shard}/{name}": array for shard, one in enumerate(saved) for name, array in one.items()}
    about = {**about, "saved": time.time(), "updates": [int(one["version"]) for one in saved]}
    with draft(path) as new, new.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    if os.name == "posix":  # the new name too
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def put_aside(folder: Path) -> Path | None:
    """Keep what an earlier run left in a folder that a new one writes to; where."""
    path = folder / NAME
    return path.replace(folder / f"before-{NAME}") if path.exists() else None


def read(folder: str | Path) -> list[Saved]:
    """The shards' snapshots that a run left in its folder, all of one moment.

    Raises
    ------
    FileNotFoundError : there are none; ValueError : the file is torn, or holds NaN.
    """
    return load(folder)[1]


def load(folder: str | Path) -> tuple[dict[str, Any], list[Saved]]:
    """What `read` finds, and whose it is."""
    path = Path(folder) / NAME
    if not path.exists():
        old = sorted(Path(folder).glob("shard-*.npz"))
        if old:
            raise ValueError(f"{old[0]} is of an older optlib, which saved shards of different age: start anew")
        raise FileNotFoundError(f"{folder} holds no {NAME}: is it the folder that train(..., checkpoint=...) had?")
    try:
        with path.open("rb") as bytes_, np.load(bytes_) as file:  # an array's check sum is looked at when it is read
            about = json.loads(str(file["about"]))
            saved: list[Saved] = [{} for _ in about["sizes of shards"]]
            for key in file.files:
                if key != "about":
                    shard, name = key.split("/", 1)
                    saved[int(shard)][name] = file[key]
        sizes = [one["theta"].size for one in saved]
        if sizes != about["sizes of shards"] or [int(one["version"]) for one in saved] != about["updates"]:
            raise ValueError("its parts do not belong together")
    except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is torn or no checkpoint ({error}): take a copy that is whole, or start anew without resume="
        ) from None
    for shard, one in enumerate(saved):
        for name, array in one.items():
            if not np.issubdtype(array.dtype, np.floating):
                continue
            if np.isnan(array).any() or (name == "theta" and not np.isfinite(array).all()):
                raise ValueError(f"{path} holds NaN or infinity in {name} of shard {shard}: take an earlier copy")
    return about, saved


def fitting(folder: str | Path, wanted: dict[str, Any], steps: int) -> tuple[str, list[Saved]]:
    """The run that a checkpoint is of and its snapshots, if it is of this problem.

    Raises
    ------
    ValueError : it is of another run, rule or size, or beyond `steps`; and what `read` raises.
    """
    about, saved = load(folder)
    path = Path(folder) / NAME
    for name, value in wanted.items():
        if about.get(name) != value:
            what = "begun at another theta" if name == "start" else f"with {name} {about.get(name)}, here {value}"
            raise ValueError(f"{path} is of another run, {what}: give that run's own call, or start anew")
    furthest = max((int(t) for one in saved for t in one["progress"]), default=0)
    if furthest > steps:
        raise ValueError(f"{path} is at step {furthest} already, beyond steps={steps}: give more steps")
    return str(about["run"]), saved


def _about(path: Path) -> dict[str, Any]:
    """Whose a file is, as far as it can be read."""
    try:
        with path.open("rb") as bytes_, np.load(bytes_) as file:
            return json.loads(str(file["about"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
