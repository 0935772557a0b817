"""Ctrl-C, closed terminals and text that comes out piece by piece."""
import os
import pty
import select
import signal
import subprocess
import time

import program
from program import ProgramTest, STORIES


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
        chat.interrupt()
        self.assertIsNone(chat.process.poll())
        before = len(chat.seen)
        chat.wait_for(lambda seen: b">" in seen[before:])  # asks again
        chat.interrupt()
        self.assertIn(chat.ends(), (0, 130))

    def test_two_interrupts_at_once_leave(self):
        chat = self.terminal("run", STORIES, "--temp", "0")
        chat.wait_for(lambda seen: b">" in seen)
        chat.interrupt()
        time.sleep(0.2)
        if chat.process.poll() is None:
            chat.interrupt()
        self.assertIn(chat.ends(), (0, 130))

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
