"""Files that lie, end early or shrink: one clear error and exit 1, never a signal."""
import pathlib
import subprocess
import time

import program
from program import ProgramTest, STORIES

CORPUS = program.SOURCE / "tests" / "corpus" / "gguf"


class Hostile(ProgramTest):
    def error_of(self, *arguments):
        """The command ends by itself with 1 and says something short."""
        done = program.issun(*arguments)
        self.assertEqual(done.status, 1, f"{arguments}: {done}")
        message = done.err.decode("utf-8", "replace").strip()
        self.assertTrue(message)
        self.assertLess(len(message), 2000)
        return message

    def test_every_file_of_the_corpus_gives_an_answer_or_an_error(self):
        files = sorted(CORPUS.glob("*")) if CORPUS.is_dir() else []
        self.assertTrue(files, f"no files in {CORPUS}")
        for path in files:
            for command in (("inspect", path), ("verify", path), ("run", path, "-p", "a", "-n", 1)):
                with self.subTest(command=command[0], file=path.name):
                    done = program.issun(*command)
                    self.assertIn(done.status, (0, 1), done)

    def test_a_file_cut_at_any_place_is_an_error(self):
        data = STORIES.read_bytes()
        path = self.folder / "cut.gguf"
        for length in (0, 1, 3, 4, 8, 20, 24, 100, 1000, 5000, 20000, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:length])
            for command in ("inspect", "run", "verify"):
                with self.subTest(length=length, command=command):
                    self.error_of(command, path)

    def test_files_of_another_kind_are_errors(self):
        for name, content in (("text", b"Once upon a time\n" * 100), ("zeros", bytes(4096)),
                              ("ones", b"\xff" * 4096), ("old", b"GGUF\x01\x00\x00\x00" + bytes(64)),
                              ("big-endian", b"GGUF\x00\x00\x00\x03" + bytes(64))):
            with self.subTest(name=name):
                path = self.folder / name
                path.write_bytes(content)
                self.error_of("run", path, "-p", "a")

    def test_a_folder_is_an_error(self):
        self.error_of("inspect", self.folder)

    def test_a_changed_byte_of_the_header_is_no_crash(self):
        data = bytearray(STORIES.read_bytes())
        path = self.folder / "changed.gguf"
        for position in list(range(4, 120)) + list(range(120, 20000, 397)):
            changed = bytearray(data)
            changed[position] ^= 0xFF
            path.write_bytes(changed)
            with self.subTest(position=position):
                done = program.issun("run", path, "-p", "a", "-n", 1)
                self.assertIn(done.status, (0, 1), done)

    def test_a_file_that_shrinks_while_it_is_used_is_an_error(self):
        path = self.folder / "shrinking.gguf"
        path.write_bytes(STORIES.read_bytes())
        with subprocess.Popen([program.BINARY, "run", str(path), "--temp", "0"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=program.environment()) as process:
            # It waits for the prompt with the file mapped.
            until = time.monotonic() + 60
            maps = pathlib.Path(f"/proc/{process.pid}/maps")
            while str(path) not in maps.read_text(encoding="utf-8"):
                self.assertLess(time.monotonic(), until, "the file is never mapped")
                time.sleep(0.01)
            with open(path, "r+b") as file:
                file.truncate(8192)
            out, err = process.communicate(b"Once upon a time", timeout=120)
        self.assertEqual(process.returncode, 1, (out, err))
        self.assertIn(b"shrinking.gguf", err)


if __name__ == "__main__":
    program.main()
