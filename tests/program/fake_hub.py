"""A hub of model repositories on this machine that does what real ones do, and what bad ones do.

Behaviours are set by a test in Hub.faults, by the path of the file; all requests are kept in Hub.log.
"""
import contextlib
import hashlib
import http.server
import json
import re
import ssl
import threading
import time


class Hub:
    """Repositories {"owner/name": {"file.gguf": bytes}} and plain files {"/path": bytes}."""

    def __init__(self, repositories=None, plain=None, certificate=None):
        self.repositories, self.plain = repositories or {}, plain or {}
        self.faults = {}      # path -> dict: see Handler.send_file
        self.listed = {}      # repository -> the list to answer with instead
        self.etags = {}       # path -> ETag
        self.redirect = None  # base address where the files really are
        self.token = None     # asked for
        self.log = []         # (method, path, {header: value}, status)
        self.guard = threading.Lock()
        hub = self

        class Bound(Handler):
            pass

        Bound.hub = hub
        self.server = Server(("127.0.0.1", 0), Bound)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.address = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def ranges(self, path, statuses=(206,)):
        """The (begin, end) that were asked of a file, ends exclusive, without the first look."""
        found = []
        for _, asked, headers, status in self.log:
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
            if asked == path and match and status in statuses:
                found.append((int(match[1]), int(match[2]) + 1))
        return [stretch for stretch in found if stretch != (0, 4)]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that was killed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        pass

    def note(self, status):
        with self.hub.guard:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.hub.log.append((self.command, self.path, headers, status))

    def answer(self, status, body=b"", **headers):
        self.note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with contextlib.suppress(ConnectionError):
            self.get()

    def get(self):
        hub, path = self.hub, self.path.split("?")[0]
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer(401, b"{}")
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/main", path)
        if match:
            return self.send_list(match[1])
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/main/(.*)", path)
        content = hub.repositories.get(match[1], {}).get(match[2]) if match else None
        if content is None:
            content = hub.plain.get(path)
        if content is None:
            return self.answer(404, b"<html>not here</html>")
        if hub.redirect:
            digest = hashlib.sha256(content).hexdigest()
            return self.answer(302, Location=hub.redirect + path, X_Linked_ETag=f'"{digest}"')
        return self.send_file(path, content)

    def send_list(self, repository):
        hub = self.hub
        if repository in hub.listed:
            listed = hub.listed[repository]
            body = listed if isinstance(listed, bytes) else json.dumps(listed).encode()
            return self.answer(200, body)
        if repository not in hub.repositories:
            return self.answer(404, b"{}")
        entries = [{"type": "file", "path": "README.md", "size": 3}]
        for name, content in hub.repositories[repository].items():
            digest = hashlib.sha256(content).hexdigest()
            entries.append({"type": "file", "path": name, "size": len(content), "oid": "0" * 40,
                            "lfs": {"oid": digest, "size": len(content), "pointerSize": 100}})
        # Two pages, as for a large repository.
        half = (len(entries) + 1) // 2
        if "cursor=" in self.path:
            return self.answer(200, json.dumps(entries[half:]).encode())
        link = f'<{hub.address}{self.path}&cursor=x>; rel="next"'
        return self.answer(200, json.dumps(entries[:half]).encode(), Link=link)

    def send_file(self, path, content):
        """The file, or what the faults make of it:

        status: [codes to answer with first], retry_after; redirect: Location; no_ranges; encoding;
        corrupt: how many answers get a wrong byte; drop: break off after so many bytes, `drops` times
        (default: always); delay: seconds before each 16 KiB; lie: another length; extra: bytes beyond.
        """
        fault = self.hub.faults.get(path, {})
        with self.hub.guard:
            code = fault["status"].pop(0) if fault.get("status") else None
            looking = self.headers.get("Range") == "bytes=0-3"
            drops = bool(fault.get("drops", 1 << 30)) and "drop" in fault and not looking
            if drops and "drops" in fault:
                fault["drops"] -= 1
            corrupts = fault.get("corrupt", 0) > 0 and not looking
            if corrupts:
                fault["corrupt"] -= 1
        if code:
            more = {"Retry_After": str(fault["retry_after"])} if "retry_after" in fault else {}
            return self.answer(code, b"no", **more)
        if "redirect" in fault:
            return self.answer(302, Location=fault["redirect"])
        whole = len(content) + fault.get("lie", 0)
        begin, end, status = 0, len(content), 200
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match and not fault.get("no_ranges"):
            begin, end, status = int(match[1]), min(int(match[2]) + 1, len(content)), 206
        body = bytearray(content[begin:end])
        if corrupts:
            body[len(body) // 2] ^= 1
        body += b"x" * fault.get("extra", 0)
        self.note(status)
        self.send_response(status)
        if path in self.hub.etags:
            self.send_header("ETag", self.hub.etags[path])
        if "encoding" in fault:
            self.send_header("Content-Encoding", fault["encoding"])
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{whole}")
        length = len(body) + (fault.get("lie", 0) if status == 200 else 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        stop = fault["drop"] if drops else len(body)
        for at in range(0, min(stop, len(body)), 1 << 14):
            time.sleep(fault.get("delay", 0))
            self.wfile.write(body[at:min(at + (1 << 14), stop)])
        if stop < len(body) or length != len(body):
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        return None


@contextlib.contextmanager
def hub(repositories=None, plain=None, certificate=None):
    running = Hub(repositories, plain, certificate)
    try:
        yield running
    finally:
        running.close()
