"""Runs the real binary for the tests beside this file, and knows what the host and the data are.

Environment: ISSUN_BINARY (the program), ISSUN_SOURCE (the checkout), ISSUN_SHARED (conformance data,
optional), ISSUN_ISAS (of an emulated program).
"""
import array
import math
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest

BINARY = os.environ["ISSUN_BINARY"]
SOURCE = pathlib.Path(os.environ["ISSUN_SOURCE"])
SHARED = pathlib.Path(os.environ.get("ISSUN_SHARED", SOURCE.parent / "shared"))
STORIES = SOURCE / "models" / "stories260K.gguf"
DEFAULT = SOURCE / "models" / "issun-27m.gguf"  # the one inside the program

# What each instruction set needs, by the names /proc/cpuinfo has for it.
ISA_FLAGS = {
    "scalar": set(),
    "avx2": {"avx2", "fma", "f16c"},
    "avx2vnni": {"avx2", "fma", "f16c", "avx_vnni"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    "avx512bf16": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16"},
    "neon": {"asimd"},
    "neondot": {"asimd", "asimddp"},
    "neoni8mm": {"asimd", "asimddp", "i8mm"},
}


def host_flags():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.split(":")[1].split())
    return set()


def isas():
    """The instruction sets that the binary can run here; where it is emulated, those of ISSUN_ISAS."""
    if os.environ.get("ISSUN_ISAS"):
        return os.environ["ISSUN_ISAS"].split()
    have = host_flags()
    return [name for name, needs in ISA_FLAGS.items() if needs <= have]


def environment(isa=None, **more):
    result = dict(os.environ, **more)
    result.pop("ISSUN_ISA", None)
    if isa:
        result["ISSUN_ISA"] = isa
    return result


class Done:
    """What a run left: exit status, and both streams as bytes."""

    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def text(self):
        return self.out.decode("utf-8")

    def __str__(self):
        return f"exit {self.status}\nstdout: {self.out[:2000]!r}\nstderr: {self.err[:2000]!r}"


def issun(*arguments, stdin=b"", isa=None, timeout=300, env=None, cwd=None):
    return Done(subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True,
                               timeout=timeout, env=env or environment(isa), cwd=cwd, check=False))


def finish_through_kills(command, seed, whole_seconds=2):
    """Runs `command`, which takes so long undisturbed, again and again, killed after random times, until it has
    ended well; how often it was killed."""
    longest = min(0.7, whole_seconds / 2)
    wait, kills = random.Random(seed), 0
    command = [BINARY, *map(str, command)]
    for _ in range(60):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            status = process.wait(wait.uniform(longest / 7, longest))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    else:
        status = subprocess.run(command, capture_output=True, check=False).returncode
    assert status == 0, f"{command}: expected exit 0, found {status}"
    return kills


def read_floats(path):
    values = array.array("f")
    values.frombytes(pathlib.Path(path).read_bytes())
    if sys.byteorder == "big":
        values.byteswap()
    return values


def nmse(values, golden):
    """sum((a - b)^2) / sum(b^2), in double precision."""
    assert len(values) == len(golden), f"expected {len(golden)} values, found {len(values)}"
    wrong = math.fsum((a - b) * (a - b) for a, b in zip(values, golden))
    return wrong / math.fsum(b * b for b in golden)


def cosine_distance(a, b):
    dot = math.fsum(x * y for x, y in zip(a, b))
    return 1 - dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


def shared(relative):
    """A path in the conformance data; the test that asks is skipped, and says so, without it."""
    path = SHARED / relative
    if not path.exists():
        print(f"skipped: no {relative} (no shared data)")
        raise unittest.SkipTest(f"no {relative} (no shared data)")
    return path


class ProgramTest(unittest.TestCase):
    """Adds a temporary folder and what every command promises."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="issun-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def succeed(self, *arguments, **options):
        done = issun(*arguments, **options)
        self.assertEqual(done.status, 0, f"{arguments}: {done}")
        return done

    def refuse(self, *arguments, status=1, naming=(), **options):
        """Ends with `status`, nothing on stdout, and a sentence on stderr that names the thing."""
        done = issun(*arguments, **options)
        self.assertEqual(done.status, status, f"{arguments}: {done}")
        self.assertEqual(done.out, b"", f"{arguments}: {done}")
        message = done.err.decode("utf-8", "replace")
        self.assertTrue(message.strip(), f"{arguments}: no message")
        for word in naming:
            self.assertIn(word, message, f"{arguments}")
        return done

    def logits(self, model, tokens, *more, **options):
        out = self.folder / "logits.f32"
        self.succeed("logits", model, "--tokens", ",".join(map(str, tokens)), "--out", out, *more,
                     **options)
        return read_floats(out)


def main():
    unittest.main(module="__main__", verbosity=2)
