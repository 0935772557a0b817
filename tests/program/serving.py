"""A server of issun for a test: started, asked over real sockets, stopped."""
import contextlib
import http.client
import json
import re
import select
import signal
import subprocess
import time

from program import BINARY, environment


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    def __init__(self, process, port, said):
        self.process, self.port, self.said = process, port, said

    def connect(self, timeout=120):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, path, body=None, method=None, headers=None, timeout=120):
        """One request. body: bytes, or what becomes JSON; None: GET."""
        connection = self.connect(timeout)
        with contextlib.closing(connection):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method or ("GET" if body is None else "POST"), path, data,
                               {"Content-Type": "application/json", **(headers or {})})
            return Answer(connection.getresponse())

    def events(self, path, body):
        """The data of a stream of events, in order; what is JSON parsed."""
        answer = self.ask(path, body)
        assert answer.status == 200, answer.body
        found = []
        for event in answer.body.decode("utf-8").split("\n\n"):
            for line in event.split("\n"):
                if line.startswith("data: "):
                    data = line[len("data: "):]
                    found.append(data if data == "[DONE]" else json.loads(data))
        return found

    def errors(self):
        """What it has said on stderr so far."""
        while select.select([self.process.stderr], [], [], 0.1)[0]:
            more = self.process.stderr.read1(65536)
            if not more:
                break
            self.said += more
        return self.said.decode("utf-8")

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


@contextlib.contextmanager
def serving(*arguments, patience=120):
    """`issun serve ARGUMENTS --port 0` until the end of the block; then it is told to stop, and must."""
    process = subprocess.Popen([BINARY, "serve", *map(str, arguments), "--port", "0"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    said, end = b"", time.monotonic() + patience
    try:
        while b"at http://" not in said:
            assert process.poll() is None, f"ended: {said + process.stderr.read()!r}"
            assert time.monotonic() < end, f"does not serve: {said!r}"
            if select.select([process.stderr], [], [], 1)[0]:
                said += process.stderr.read1(65536)
        yield Server(process, int(re.search(rb"http://[^ ]*:(\d+)", said).group(1)), said)
        assert process.poll() is None, "the server died"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, process.returncode
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
