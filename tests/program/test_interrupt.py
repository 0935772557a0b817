"""Ctrl-C, closed terminals and text that comes out piece by piece."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import program
from program import ProgramTest, STORIES

F_SETPIPE_SZ = 1031  # named in fcntl from Python 3.10 on


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *arguments):
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen([program.BINARY, *map(str, arguments)], stdin=follower,
                                        stdout=follower, stderr=follower, start_new_session=True,
                                        env=program.environment())
        os.close(follower)
        self.seen = b""

    def wait_for(self, condition, seconds=60):
        until = time.monotonic() + seconds
        while not condition(self.seen):
            left = until - time.monotonic()
            if left <= 0:
                raise AssertionError(f"waited {seconds} s; terminal shows {self.seen[-2000:]!r}")
            if select.select([self.leader], [], [], min(left, 0.1))[0]:
                try:
                    self.seen += os.read(self.leader, 65536)
                except OSError:  # the other side is closed
                    time.sleep(0.01)
                    if condition(self.seen):
                        return
                    raise AssertionError(f"ended; terminal showed {self.seen[-2000:]!r}") from None

    def type(self, text):
        os.write(self.leader, text.encode())

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def ends(self, seconds=60):
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if select.select([self.leader], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.leader, 65536)
                except OSError:
                    pass
            if time.monotonic() > until:
                raise AssertionError(f"still runs; terminal shows {self.seen[-2000:]!r}")
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.leader)


def all_threads_sleep(pid):
    """Whether no thread of the process runs or waits for a core."""
    for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended since
            if stat.read_text().rpartition(")")[2].split()[0] == "R":
                return False
    return True


@contextlib.contextmanager
def full_pipe(*arguments, stdin):
    """The program, once it has filled a small pipe that nobody reads and waits."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, F_SETPIPE_SZ, 4096)
    with os.fdopen(ours, "rb", buffering=0) as reader:
        process = subprocess.Popen([program.BINARY, *map(str, arguments)], stdin=stdin,
                                   stdout=theirs, stderr=subprocess.DEVNULL,
                                   env=program.environment())
        os.close(theirs)
        process.stdout = reader
        try:
            # Full is a pipe whose next write did not fit. That shows in threads that all sleep while
            # nothing more comes: a slow machine may take long between two writes.
            until = time.monotonic() + 120
            seen, still = 0, 0
            while seen < 4000 or still < 10:
                if process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"wrote only {seen} bytes")
                time.sleep(0.05)
                waiting = int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)),
                                         sys.byteorder)
                still = still + 1 if waiting == seen and all_threads_sleep(process.pid) else 0
                seen = waiting
            yield process
        finally:
            process.kill()
            process.wait()


class Interrupt(ProgramTest):
    def terminal(self, *arguments):
        terminal = Terminal(*arguments)
        self.addCleanup(terminal.close)
        return terminal

    def test_an_interrupt_stops_the_answer_and_a_second_one_leaves(self):
        # The seed keeps the story from ending by itself: temperature 0 runs on for ever.
        chat = self.terminal("run", STORIES, "--temp", "0", "-c", "512")
        chat.wait_for(lambda seen: b">" in seen)
        chat.type("Once upon a time\n")
        chat.wait_for(lambda seen: b"Lily" in seen)
        before_answer = chat.seen[:chat.seen.index(b"Lily")]
        self.assertIn(b"reading " + os.fsencode(STORIES)[:60], before_answer)  # what takes the time
        self.assertIn(b"\r\x1b[K", before_answer)  # and is gone when the answer comes
        chat.interrupt()
        self.assertIsNone(chat.process.poll())
        before = len(chat.seen)
        chat.wait_for(lambda seen: b">" in seen[before:])  # asks again
        chat.interrupt()
        self.assertIn(chat.ends(), (0, 130))

    def test_a_second_interrupt_leaves_an_answer_that_hangs(self):
        # Nobody reads the pipe, so the program waits inside a write and takes no interrupt.
        with full_pipe("run", STORIES, "-p", "", "--temp", "0", "--ignore-eos", "-c", "4096",
                       stdin=subprocess.DEVNULL) as process:
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            self.assertIsNone(process.poll())
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(60), -signal.SIGINT)

    def test_an_interrupt_after_an_answer_does_not_stop_the_next(self):
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        self.addCleanup(os.close, follower)
        os.write(leader, b"Once\n")
        # The whole answer is written after it ended; the pipe holds less.
        with full_pipe("run", STORIES, "--json", "--temp", "0", "--ignore-eos", "-c", "4096", "-n",
                       "1800", stdin=follower) as process:
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            os.write(leader, b" upon\n")
            text = b""
            while text.count(b'"logits_hash"') < 2 and (piece := os.read(process.stdout.fileno(),
                                                                         65536)):
                text += piece
            os.write(leader, b"\x04")
            text += process.stdout.read()
            self.assertEqual(process.wait(60), 0)
        first, end = json.JSONDecoder().raw_decode(text.decode())
        second = json.loads(text.decode()[end:])
        self.assertEqual(first["finish"], second["finish"])
        self.assertEqual(second["generated_tokens"], 1800)

    def test_the_end_of_input_leaves(self):
        chat = self.terminal("run", STORIES)
        chat.wait_for(lambda seen: b">" in seen)
        chat.type("\x04")
        self.assertEqual(chat.ends(), 0)


class Stream(ProgramTest):
    def pieces(self, *arguments):
        """What arrives on stdout, read by read."""
        with subprocess.Popen([program.BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env=program.environment()) as process:
            while piece := os.read(process.stdout.fileno(), 65536):
                yield piece
        self.assertEqual(process.returncode, 0)

    def test_half_a_character_is_never_written(self):
        # At a high temperature the model writes bytes of its byte tokens, most of them no UTF-8.
        for seed in range(4):
            for piece in self.pieces("run", STORIES, "-p", "", "--temp", "8", "--top-k", "0",
                                     "--top-p", "1", "--min-p", "0", "--seed", seed, "-n", 200):
                piece.decode("utf-8")  # raises on a cut or a stray byte

    def test_text_comes_before_the_answer_is_whole(self):
        pieces = list(self.pieces("run", STORIES, "-p", "", "--temp", "0", "-n", 400))
        self.assertGreater(len(pieces), 1)


if __name__ == "__main__":
    program.main()
