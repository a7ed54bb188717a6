"""Serve the site with all its views; a changed source rebuilds it and reloads the reader's page: ``make serve``."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from sphinx_autobuild.filter import IgnoreFilter
from sphinx_autobuild.middleware import JavascriptInjectorMiddleware
from sphinx_autobuild.server import RebuildServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

from downhill_course.project import ROOT


def rebuild(changed_paths: Sequence[Path]) -> None:
    """Build again; a failed build leaves the site as it was and says why on the terminal."""
    print("Changed:", ", ".join(path.name for path in changed_paths), flush=True)
    subprocess.run([sys.executable, "-m", "downhill_course", "build", "--no-zip"], check=False)


def site(address: str) -> Starlette:
    """The web application: files, and the socket that tells pages to reload."""
    ignored = IgnoreFilter([], [r"__pycache__", r"\.ipynb_checkpoints", r"\.mo$", r"~$"])
    watched = [ROOT / "book", ROOT / "_config.yml", ROOT / "_toc.yml"]
    watcher = RebuildServer(watched, ignored, change_callback=rebuild)
    return Starlette(
        routes=[
            WebSocketRoute("/websocket-reload", watcher, name="reload"),
            Mount("/", app=StaticFiles(directory=ROOT / "_build" / "site", html=True), name="static"),
        ],
        middleware=[Middleware(JavascriptInjectorMiddleware, ws_url=address)],
        lifespan=watcher.lifespan,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="port on this machine (default: 8000)")
    port = parser.parse_args(arguments).port
    print(f"Serving http://127.0.0.1:{port} and watching book/: stop with Ctrl-C", flush=True)
    uvicorn.run(site(f"127.0.0.1:{port}"), host="127.0.0.1", port=port, log_level="warning")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
