"""`issun serve --cache-dir`: what answers leave in the cache is there after the next start, whatever happens to
the files or to the process."""
import json
import os
import shutil
import signal

import program
from program import DEFAULT, ProgramTest
from serving import serving

LONG = "The harbour was quiet that morning, and the lamp in the window was still burning. " * 12
FLAGS = ("--ctx-size", 1024, "--exact", "--parallel", 2)


def complete(server, prompt=LONG):
    answer = server.ask("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": 12})
    assert answer.status == 200, answer.body
    usage = answer.json["usage"]
    return (answer.json["choices"][0]["text"], usage["prompt_tokens_details"]["cached_tokens"],
            usage["prompt_tokens"])


class Snapshots(ProgramTest):
    def setUp(self):
        super().setUp()
        self.kept = self.folder / "kept"

    def files(self):
        return sorted(path for path in self.kept.iterdir())

    def test_the_second_start_finds_what_the_first_one_read(self):
        with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept) as server:
            text, cached, tokens = complete(server)
            self.assertEqual(cached, 0)
        self.assertEqual(len(self.files()), 1)
        with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept) as server:
            self.assertEqual(complete(server), (text, tokens - 1, tokens))
            # One that begins alike and goes on otherwise.
            other, cached, _ = complete(server, LONG + " Then a bell rang.")
            self.assertGreater(cached, tokens - 10)
        with serving(DEFAULT, *FLAGS) as server:
            self.assertEqual(complete(server, LONG + " Then a bell rang.")[:2], (other, 0))

    def test_a_damaged_or_foreign_file_changes_no_answer(self):
        with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept) as server:
            text, _, tokens = complete(server)
        file = self.files()[0]
        whole = file.read_bytes()
        for at in (3, 20, 45, 60, len(whole) // 2, len(whole) - 3):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1:])
            with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept, "--shutdown-timeout", 0) as server:
                self.assertEqual(complete(server), (text, 0, tokens), at)
                self.assertEqual(server.errors().count("warning: " + str(file)), 1, server.errors())
            for made in self.files():
                if made != file:
                    made.unlink()
        file.write_bytes(whole)
        # Other types of the cache, and other arithmetic.
        for flags in (("--cache-type", "q8_0", "--exact"), ()):
            with serving(DEFAULT, "--ctx-size", 1024, *flags, "--cache-dir", self.kept) as server:
                self.assertEqual(complete(server)[1], 0)
                self.assertIn("left alone", server.errors())

    def test_slots_are_saved_restored_and_erased_by_name(self):
        with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept) as server:
            text, _, tokens = complete(server)
            saved = server.ask("/slots/0?action=save", {"filename": "talk.bin"})
            self.assertEqual(saved.status, 200, saved.body)
            self.assertGreaterEqual(saved.json["n_saved"], tokens)
            self.assertEqual(saved.json["n_written"], (self.kept / "talk.bin").stat().st_size)
            erased = server.ask("/slots/0?action=erase", {})
            self.assertEqual(erased.json["n_erased"], saved.json["n_saved"])
            self.assertEqual(server.ask("/slots/0?action=erase", {}).status, 400)
            restored = server.ask("/slots/0?action=restore", {"filename": "talk.bin"})
            self.assertEqual(restored.json["n_restored"], saved.json["n_saved"])
            self.assertEqual(complete(server), (text, tokens - 1, tokens))
            for name in ("../talk.bin", "/tmp/x", ".talk", "", "a/b", "talk\u0000", "x" * 201, 5, None):
                for action in ("save", "restore"):
                    wrong = server.ask(f"/slots/0?action={action}", {"filename": name})
                    self.assertEqual(wrong.status, 400, name)
                    self.assertIn("filename", wrong.json["error"]["message"])
            self.assertEqual(server.ask("/slots/0?action=restore", {"filename": "none"}).status, 400)
            self.assertEqual(server.ask("/slots/0?action=dance", {}).status, 400)
            self.assertEqual(server.ask("/slots/0", {}).status, 400)
            for path in ("/slots/x?action=erase", "/slots/-0?action=erase", "/slots/+0?action=erase"):
                self.assertEqual(server.ask(path, {}).status, 400, path)
            self.assertEqual(server.ask("/slots/0?action=erase", b"{").status, 400)
            other = server.ask("/slots/1?action=restore", {"filename": "talk.bin"})
            self.assertEqual(other.status, 400)
            self.assertIn("slot 0", other.json["error"]["message"])
            again = server.ask("/slots/0?action=save", {"filename": "talk.bin", "compress": True})
            self.assertEqual((again.status, again.headers["x-issun-unknown-fields"]), (200, "compress"))
            self.assertEqual(server.ask("/slots/9?action=save", {"filename": "a"}).status, 400)
            self.assertEqual([path.name for path in self.files()], ["talk.bin"])
        with serving(DEFAULT, *FLAGS) as server:
            refused = server.ask("/slots/0?action=save", {"filename": "a"})
            self.assertEqual(refused.status, 501)
            self.assertIn("--cache-dir", refused.json["error"]["message"])

    def test_nothing_but_snapshots_is_written_over(self):
        with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept, "--shutdown-timeout", 0) as server:
            complete(server)
            outside = self.folder / "outside"
            for file in (outside, self.kept / "notes.txt"):
                file.write_text("of a person")
            (self.kept / "link").symlink_to(outside)
            os.mkfifo(self.kept / "pipe")
            for name in ("notes.txt", "link", "pipe", "mine.kept"):
                refused = server.ask("/slots/0?action=save", {"filename": name})
                self.assertEqual(refused.status, 400, name)
                self.assertEqual(refused.json["error"]["param"], "filename")
            for file in (outside, self.kept / "notes.txt"):
                self.assertEqual(file.read_text(), "of a person")
            shutil.rmtree(self.kept)
            failed = server.ask("/slots/0?action=save", {"filename": "talk"})
            self.assertEqual(failed.status, 500, failed.body)
            self.assertNotIn(str(self.folder), failed.json["error"]["message"])
            self.assertIn(str(self.kept), server.errors())

    def test_a_second_signal_ends_it_at_once_and_saves_nothing(self):
        with self.assertRaisesRegex(AssertionError, "died"):
            with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept, "--shutdown-timeout", 100) as server:
                complete(server)
                connection = server.connect()
                connection.request("POST", "/v1/completions", json.dumps(
                    {"prompt": "Once", "max_tokens": 900, "ignore_eos": True, "stream": True}),
                    {"Content-Type": "application/json"})
                self.assertTrue(connection.getresponse().read1(10))
                server.process.send_signal(signal.SIGTERM)
                while "again to stop at once" not in server.errors():
                    self.assertIsNone(server.process.poll())
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.process.wait(20), 0)
                connection.close()
        self.assertEqual(self.files(), [])

    def test_a_killed_server_loses_nothing_that_was_saved(self):
        with self.assertRaisesRegex(AssertionError, "died"):
            with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept) as server:
                text, _, tokens = complete(server)
                saved = server.ask("/slots/0?action=save", {"filename": "talk"})
                self.assertEqual(saved.status, 200, saved.body)
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
        (self.kept / "talk.part99").write_bytes((self.kept / "talk").read_bytes()[:5000])
        with serving(DEFAULT, *FLAGS, "--cache-dir", self.kept) as server:
            self.assertEqual([path.name for path in self.files()], ["talk"])
            self.assertEqual(complete(server), (text, tokens - 1, tokens))

    def test_what_ended_may_have_room_of_its_own(self):
        found = []
        for flags in ((), ("-cram", 32)):
            with serving(DEFAULT, "--ctx-size", 256, "--exact", "--parallel", 1, *flags) as server:
                for first in ("Once", "Then", "Once"):
                    text, cached, tokens = complete(server, first + " " + LONG[:900])
                found.append((text, cached))
        self.assertEqual(found[0][0], found[1][0])
        self.assertLess(found[0][1], tokens // 2)
        self.assertEqual(found[1][1], tokens - 1)

    def test_what_cannot_be_is_refused(self):
        embedder = program.SOURCE / "models" / "issun-embed.gguf"
        self.refuse("serve", embedder, "--port", 0, "--cache-dir", self.kept, naming=["--cache-dir"])
        self.refuse("serve", embedder, "--port", 0, "--cache-ram", 1, naming=["--cache-ram"])
        (self.folder / "file").write_text("")
        self.refuse("serve", "--port", 0, "--cache-dir", self.folder / "file", naming=["file"])
        self.refuse("serve", "--port", 0, "--cache-dir-size", 1, status=2, naming=["--cache-dir"])


if __name__ == "__main__":
    program.main()
