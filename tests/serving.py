"""Serve a folder as a static host does: below any path, with the site's own page where nothing is."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit


@contextmanager
def serve(folder: Path, below: str = "/", halts: Sequence[bytes] = (), late: Sequence[str] = ()) -> Iterator[str]:
    """The address of ``folder``, with the last slash; where nothing is, its ``404.html`` if it has one, as Pages do.

    Before each of ``halts``, in their order, a page waits long enough to be painted as far as it has come: what a busy
    machine or a slow line does now and then. A file that ends as one of ``late`` comes half a second
    late.
    """

    class Host(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            wanted = unquote(urlsplit(path).path)
            return (
                str(folder / wanted.removeprefix(below)) if wanted.startswith(below) else str(folder / "no such file")
            )

        def copyfile(self, source, outputfile) -> None:
            if self.path.endswith(tuple(late)):
                time.sleep(0.5)
            rest = source.read()
            for halt in halts if b"<html" in rest[:200] else ():
                piece, found, rest = rest.partition(halt)
                assert found, f"{self.path} has no {halt!r}"
                outputfile.write(piece)
                outputfile.flush()
                time.sleep(0.25)
                rest = found + rest
            outputfile.write(rest)

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            page = folder / "404.html"
            lost = page.read_bytes() if page.exists() else b"not found"
            self.send_response(code, message)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(lost)))
            self.end_headers()
            self.wfile.write(lost)

        def log_message(self, *args) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{below}"
    finally:
        server.shutdown()
        server.server_close()
