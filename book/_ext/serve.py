"""Serve a folder on this machine only, on the first free port from 8000 on:
`python serve.py FOLDER`.
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count


def server(folder: str, first: int = 8000) -> ThreadingHTTPServer:
    """A server of `folder`, listening on localhost; a port in use is skipped."""
    for port in count(first):
        try:
            return ThreadingHTTPServer(
                ("localhost", port), partial(SimpleHTTPRequestHandler, directory=folder)
            )
        except OSError as error:
            if port == first + 99:
                raise OSError(f"no free port from {first} to {port}") from error


if __name__ == "__main__":
    pages = server(sys.argv[1])
    print(f"The book is at http://localhost:{pages.server_port}/ ; Ctrl-C stops.", flush=True)
    try:
        pages.serve_forever()
    except KeyboardInterrupt:
        print()
