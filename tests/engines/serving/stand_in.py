"""A stand-in for vLLM's server, for tests of processes: it forks as vLLM does, and worse.

    python stand_in.py PORT [runaway] [stubborn] [fault] [hang]

It starts a child and a grandchild. With `runaway` also one in a session of its own whose parent is
gone, with `stubborn` all but itself ignore SIGTERM. With `fault` it ends as a server with a bad
model does, with `hang` it never answers.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def stay() -> None:
    while True:
        time.sleep(60)


def main(port: int, how: list[str]) -> None:
    if os.fork() == 0:
        if "stubborn" in how:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            stay()
        if "runaway" in how and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                stay()
            os._exit(0)
        stay()
    print("loading", flush=True)
    if "fault" in how:
        print("(Worker pid=7) ERROR 11-25 [worker.py:9] KeyError: 'factor'", flush=True)
        print("Traceback\n" * 20 + "RuntimeError: see the root cause above", flush=True)
        sys.exit(3)
    if "hang" in how:
        stay()
    ThreadingHTTPServer(("127.0.0.1", port), Health).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
