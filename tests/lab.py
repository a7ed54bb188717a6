"""JupyterLab without a browser: started, asked as a reader's page would ask it, and its memory watched."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import psutil
from fresh import CLEAN

from downhill_course.notebook.cells import text_of
from downhill_course.notebook.running import REPEATABLE

LIMIT = 2 * 2**30  # bytes: what Binder gives a reader, for the server, the kernel and all they start


class Meter(threading.Thread):
    """Watches the memory of a process and all it started, and ends them when it is more than there would be."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.peak, self.over, self.done = process, 0, False, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            now = sum(map(self.own, self.family()))
            self.peak = max(self.peak, now)
            if now > LIMIT:
                self.over = True
                for each in self.family():
                    each.kill()
                return

    def family(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def own(process: psutil.Process) -> int:
        """What a process holds; pages it shares with others are divided among them where the system tells."""
        try:
            told = process.memory_full_info() if sys.platform == "linux" else process.memory_info()
            return getattr(told, "pss", told.rss)
        except psutil.Error:
            return 0


class Jupyter:
    """JupyterLab without a browser: what a reader's page would ask of it, asked here."""

    def __init__(self, python: Path, folder: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.token = secrets.token_hex(16)
        settings = {
            "PATH": os.pathsep.join([str(python.parent), CLEAN["PATH"]]), "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(home / "run"), "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"), "MPLCONFIGDIR": str(home / "matplotlib"), **REPEATABLE,
        }  # fmt: skip
        command = [
            python, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
        ]  # fmt: skip
        self.log = (home / "log").open("wb")
        started = time.monotonic()
        self.process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, stdout=self.log, stderr=self.log, env={**CLEAN, **settings}
        )
        while True:
            try:
                self.ask("api/status")
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() - started > 300:
                    raise AssertionError((home / "log").read_text("utf-8", errors="replace")) from None
                time.sleep(0.1)
        self.seconds = time.monotonic() - started

    def ask(self, path: str, body: dict | None = None, method: str | None = None) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def execute(self, path: str) -> dict[str, list[dict]]:
        """Open a notebook, run all its cells in order, close it; the outputs of each cell by its id."""
        cells = self.ask(f"api/contents/{path}?type=notebook")["content"]["cells"]
        return self.cells(path, {cell["id"]: text_of(cell) for cell in cells if cell["cell_type"] == "code"})

    def cells(self, path: str, sources: dict[str, str]) -> dict[str, list[dict]]:
        """Start a kernel for a notebook, run cells in it, end it."""
        import websocket

        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = self.ask("api/sessions", wanted)
        wire = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/api/kernels/{session['kernel']['id']}/channels",
            timeout=300,
            header={"Authorization": f"token {self.token}"},
        )
        try:
            return {name: self._cell(wire, source) for name, source in sources.items()}
        finally:
            wire.close()
            self.ask(f"api/sessions/{session['id']}", method="DELETE")

    @staticmethod
    def _cell(wire, source: str) -> list[dict]:
        mine = uuid.uuid4().hex
        about = {"msg_id": mine, "msg_type": "execute_request", "username": "", "session": mine, "version": "5.3"}
        wire.send(json.dumps({
            "header": about, "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
            "content": {"code": source, "silent": False, "store_history": True, "allow_stdin": False},
        }))  # fmt: skip
        found: list[dict] = []
        while True:
            frame = wire.recv()
            if isinstance(frame, bytes):  # a widget's picture
                continue
            message = json.loads(frame)
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != mine:
                continue
            if kind in ("stream", "display_data", "execute_result", "error"):
                found.append({"kind": kind, **content})
            if kind == "status" and content["execution_state"] == "idle":
                return found
