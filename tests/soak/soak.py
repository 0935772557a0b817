"""A long time of good and bad clients at once: `issun serve` must go on giving right answers in the same memory.

    ISSUN_BINARY=build/dev/bin/issun ISSUN_SOURCE=. tests/soak/soak.py --minutes 30

Clients that behave compare their greedy answers (--exact) with what the server said when it was alone. Others send slowly,
open hundreds of connections, hang up in the middle, send bodies that are too long, broken, deep or no UTF-8, and grammars
that cost much. Memory and pages are looked at every second. At the end: no wrong answer, the process lives, memory within
1 % of what it was after a third of the time, and every page free again. The figures are the last line, as JSON; exit code
1 when one of these does not hold.
"""
import argparse
import collections
import json
import pathlib
import random
import re
import socket
import statistics
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "program"))

from program import DEFAULT  # noqa: E402
from serving import serving  # noqa: E402

FLAGS = ("--ctx-size", 1024, "--exact", "--parallel", 4, "--max-queue", 32, "--max-connections", 256, "--read-timeout", 3,
         "--timeout", 5, "--max-body", 1)
STORY = "The harbour was quiet that morning, and the lamp in the window was still burning. "
SCHEMA = {"type": "object", "properties": {"word": {"enum": ["lantern", "candle"]}}, "required": ["word"],
          "additionalProperties": False}


def good_requests():
    """(path, body) whose answers are known once they have been asked."""
    greedy = {"temperature": 0, "max_tokens": 16}
    for word in ("lantern", "harbour", "candle", "winter"):
        talk = [{"role": "user", "content": f"Repeat the word \"{word}\"."}]
        yield "/v1/chat/completions", {"messages": talk, **greedy}
        yield "/v1/completions", {"prompt": STORY * 6 + word.title(), **greedy}
    yield "/v1/chat/completions", {"messages": [{"role": "user", "content": "Name a thing that burns."}], **greedy,
                                   "response_format": {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}}
    yield "/v1/completions", {"prompt": STORY * 30, **greedy}


def text_of(answer):
    choice = answer["choices"][0]
    return choice["text"] if "text" in choice else choice["message"]["content"]


class Soak:
    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.stop = threading.Event()
        self.lock = threading.Lock()  # of all below
        self.counts = collections.Counter()
        self.wrong, self.samples = [], []
        self.requests = [(path, body, text_of(server.ask(path, body).json)) for path, body in good_requests()]

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def note_wrong(self, what):
        with self.lock:
            self.wrong.append(what)

    def behave(self, number):
        """Asks what is known, streamed or whole, until the end."""
        draw = random.Random(f"{self.seed} good {number}")
        while not self.stop.is_set():
            path, body, expected = draw.choice(self.requests)
            try:
                answer = self.server.ask(path, body)
            except OSError:  # as many connections as may be
                self.count("turned away")
                time.sleep(0.05)
                continue
            if answer.status == 503:
                self.count("queue full")
                time.sleep(0.05)
            elif answer.status != 200:
                self.note_wrong(f"{path}: status {answer.status}: {answer.body[:300]!r}")
            elif text_of(answer.json) != expected:
                self.note_wrong(f"{path}: expected {expected!r}, found {text_of(answer.json)!r}")
            else:
                self.count("right answers")

    def misbehave(self, number):
        draw = random.Random(f"{self.seed} bad {number}")
        while not self.stop.is_set():
            attack = draw.choice(ATTACKS)
            try:
                attack(self.server, draw, self.stop)
                self.count(attack.__name__)
            except OSError:
                self.count(attack.__name__ + ", cut off")
                time.sleep(0.02)

    def watch(self):
        while not self.stop.wait(1):
            try:
                free = metric(self.server, "cache_pages_free")
            except (OSError, AttributeError):
                continue  # no connection is free just now
            with self.lock:
                self.samples.append((time.monotonic(), self.server.resident_bytes(), free))

    def run(self, seconds):
        threads = [threading.Thread(target=self.behave, args=(i,)) for i in range(3)]
        threads += [threading.Thread(target=self.misbehave, args=(i,)) for i in range(6)]
        threads.append(threading.Thread(target=self.watch))
        for thread in threads:
            thread.start()
        died = False
        end = time.monotonic() + seconds
        while time.monotonic() < end and not died:
            time.sleep(0.5)
            died = self.server.process.poll() is not None
        self.stop.set()
        for thread in threads:
            thread.join()
        return died


def metric(server, name):
    found = re.search(rf"^issun_{name} (\S+)$", server.ask("/metrics", timeout=20).body.decode(), re.MULTILINE)
    return int(float(found.group(1)))


def raw(server, data=b"", timeout=10):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    if data:
        connection.sendall(data)
    return connection


def posted(path, body):
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def hang_up(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_slowly(server, draw, stop):
    with raw(server) as connection:
        for byte in posted("/v1/completions", b'{"prompt": "slow"}')[:draw.randrange(5, 60)]:
            if stop.wait(0.05):
                return
            connection.send(bytes([byte]))


def take_slowly(server, draw, stop):
    body = {"prompt": STORY, "max_tokens": 200, "stream": True, "ignore_eos": True, "temperature": 0, "logprobs": 5}
    with raw(server, posted("/v1/completions", json.dumps(body).encode())) as connection:
        for _ in range(draw.randrange(1, 40)):
            if stop.wait(0.05) or not connection.recv(64):
                return


def drop_in_the_middle(server, draw, _):
    body = {"prompt": STORY * draw.randrange(1, 20), "max_tokens": 100, "stream": draw.random() < 0.7, "n": draw.choice((1, 2))}
    connection = raw(server, posted("/v1/completions", json.dumps(body).encode()))
    connection.settimeout(draw.choice((0.01, 0.1, 0.5)))
    try:
        for _ in range(draw.randrange(5)):
            if not connection.recv(200):
                break
    except TimeoutError:
        pass
    hang_up(connection)


def crowd(server, draw, stop):
    held = []
    try:
        for _ in range(draw.randrange(20, 300)):
            held.append(raw(server, draw.choice((b"", b"GET ", b"\x16\x03\x01\x02"))))
        stop.wait(0.2)
    finally:
        for connection in held:
            hang_up(connection) if draw.random() < 0.5 else connection.close()


def too_long(server, draw, _):
    if draw.random() < 0.5:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {draw.choice((10 ** 7, 10 ** 18, 10 ** 30))}\r\n\r\n"
        with raw(server, head.encode() + b"x" * 1000) as connection:
            expect(connection, b"413", b"400")
    else:
        answer = server.ask("/v1/completions", {"prompt": "word " * draw.randrange(20000, 60000)})
        check(answer.status in (400, 503), answer)


BROKEN = [b"", b"{", b"[]", b"nul", b'{"prompt": }', b'{"prompt": "a"', b'{"prompt": 5e999}', b"\xff\xfe", b'{"prompt": "\xff\xc0\x80"}',
          b'{"prompt": "\\ud800"}', b'{"messages": [{"role": "user"}]}', b'{"messages": 7}', b'{"prompt": [1, -5]}',
          b'{"prompt": "a", "temperature": "hot"}', b'{"prompt": "a", "max_tokens": 1e30}', b'{"prompt": "a", "stop": [""]}',
          b'{"prompt": "a", "logit_bias": {"x": 1}}', b'{"prompt": "a", "n": 100000}', b"[" * 50000, b'{"a":' * 20000 + b"1" + b"}" * 20000]


def broken_bodies(server, draw, _):
    body = draw.choice(BROKEN) if draw.random() < 0.7 else draw.randbytes(draw.randrange(1, 3000))
    answer = server.ask(draw.choice(("/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat",
                                     "/tokenize", "/apply-template")), body)
    check(answer.status < 500 or answer.status == 503, answer)


GRAMMARS = ['root ::= root "a"', 'root ::= ("a"?){200} "b"', 'root ::= a\na ::= b\nb ::= a', 'root ::= "a"{1000000}', "root ::= ",
            'root ::= [^', 'root ::= ' + "(" * 5000 + '"a"' + ")" * 5000, 'root ::= (("a"*)*)*', "root ::= x", 'root ::= [\\x00-\\U0010FFFF]*',
            "root ::= " + " | ".join(f'"{i}"' for i in range(3000)), 'root ::= "a" root | "a" "a" root | ""']
SCHEMAS = [{"$ref": "#"}, {"allOf": [{"$ref": "#/a"}], "a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}, {"pattern": "(a+)+$"}, {"pattern": "(" * 500},
           {"type": "string", "minLength": 10 ** 6}, {"type": "array", "minItems": 10 ** 9, "items": {}}, {"enum": []}, {"type": "nothing"},
           {"properties": {f"p{i}": {"type": "string"} for i in range(300)}}, {"multipleOf": 1e-300}, {"not": {"not": {"not": {}}}}]


def hostile_grammars(server, draw, _):
    body = {"prompt": "a", "max_tokens": 4}
    body.update({"grammar": draw.choice(GRAMMARS)} if draw.random() < 0.5 else {"json_schema": draw.choice(SCHEMAS)})
    answer = server.ask("/v1/completions", body)
    check(answer.status in (200, 400, 503), answer)


def unknown_things(server, draw, _):
    method = draw.choice(("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW"))
    path = draw.choice(("/", "/v2", "/v1/completions/", "/../../etc/passwd", "/%00", "/slots/x", "/slots/0?action=save", "/" + "a" * 5000))
    answer = server.ask(path, b"{}" if method in ("POST", "PUT") else None, method)
    check(answer.status < 500 or answer.status in (501, 503), answer)


def forget_things(server, _, stop):
    server.ask("/slots/0?action=erase", {})
    stop.wait(0.3)


ATTACKS = [send_slowly, take_slowly, drop_in_the_middle, drop_in_the_middle, crowd, too_long, broken_bodies, broken_bodies,
           hostile_grammars, unknown_things, forget_things]
BAD_ANSWERS = []


def check(good, answer):
    if not good:
        BAD_ANSWERS.append(f"status {answer.status}: {answer.body[:300]!r}")


def expect(connection, *statuses):
    line = connection.recv(200).split(b"\r\n")[0]
    if line and not any(status in line for status in statuses + (b"503",)):
        BAD_ANSWERS.append(f"expected {statuses}, found {line!r}")


def all_pages_free(server):
    """After everything that is kept has been forgotten."""
    end = time.monotonic() + 60
    while metric(server, "requests_processing") + metric(server, "requests_deferred") > 0:
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    while server.ask("/slots/0?action=erase", {}).status == 200:
        pass
    time.sleep(0.5)  # the figures follow the next time that the engine has looked
    return metric(server, "cache_pages_free") == metric(server, "cache_pages")


def memory_of(samples, at, width=0.1):
    """Median of the resident bytes in a part of the time, from 0 to 1."""
    first, last = samples[0][0], samples[-1][0]
    low, high = ((last - first) * (at - width) + first, (last - first) * at + first)
    return statistics.median(sample[1] for sample in samples if low <= sample[0] <= high)


def soak(minutes, seed, most_growth=0.01):
    """The figures; "faults" of them is empty where all is well. most_growth: of memory; None: any."""
    BAD_ANSWERS.clear()
    with serving(DEFAULT, *FLAGS) as server:
        run = Soak(server, seed)
        died = run.run(minutes * 60)
        faults = ["the server died: " + server.errors()[-2000:]] if died else []
        pages = not died and all_pages_free(server)
        faults += run.wrong[:5] + BAD_ANSWERS[:5]
        if not pages:
            faults.append("not every page is free")
        after_third, at_end = memory_of(run.samples, 1 / 3), memory_of(run.samples, 1)
        growth = at_end / after_third - 1
        if most_growth is not None and growth > most_growth:
            faults.append(f"memory grew by {growth:.2%}")
        if run.counts["right answers"] < 10 * minutes:
            faults.append("hardly any answers")
        return {"minutes": minutes, "seed": seed, "rss_after_third": after_third, "rss_at_end": at_end,
                "growth": round(growth, 5), "wrong_answers": len(run.wrong), "pages_free": pages, "counts": dict(run.counts),
                "faults": faults}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    figures = soak(options.minutes, options.seed)
    print(json.dumps(figures))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
