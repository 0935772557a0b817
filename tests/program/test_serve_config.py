"""`issun serve --config FILE`, and the unit for systemd that uses it."""
import re
import shutil
import subprocess

import program
from program import ProgramTest, SOURCE
from serving import serving


class Config(ProgramTest):
    def config(self, text):
        path = self.folder / "serve.conf"
        path.write_text(text)
        return path

    def test_the_file_counts_and_the_command_line_wins(self):
        path = self.config("""# a comment
alias = "my \\"model\\" #1"   # another
ctx-size = 640
max-queue = 3
no-webui = true
api-key = ["first", 'sec"ond']
temp = 0.25

""")
        keys = {"Authorization": "Bearer sec\"ond"}
        with serving("--config", path, "--max-queue", 5, "-c", 512) as server:
            self.assertEqual(server.ask("/props").status, 401)
            props = server.ask("/props", headers=keys).json
            self.assertEqual(props["model_path"], "my \"model\" #1")
            self.assertEqual(props["default_generation_settings"]["n_ctx"], 512)
            self.assertAlmostEqual(
                props["default_generation_settings"]["params"]["temperature"], 0.25, 6)
            self.assertEqual(server.ask("/", headers=keys).status, 404)
            self.assertEqual(
                server.ask("/props", headers={"Authorization": "Bearer first"}).status, 200)

    def test_what_is_wrong_is_told_with_its_line(self):
        for text, naming in (("port = 80\n\nprot = 81\n", ("line 3", "prot")),
                             ("port = 99999", ("line 1", "port")),
                             ("port = \"80", ("line 1",)),
                             ("port = 1 2", ("line 1", "'2'")),
                             ("port 80", ("line 1", "name = value")),
                             ("[serve]\nport = 80", ("line 1", "name = value")),
                             ("\nport = 80\nport = 81", ("line 3", "before")),
                             ("port = [1, 2]", ("line 1", "port")),
                             ("no-webui = 3", ("line 1", "true or false")),
                             ("config = x", ("line 1", "config")),
                             ("help = true", ("line 1", "help")),
                             ("alias = \"\\q\"", ("line 1", "escapes")),
                             ("alias = []", ("line 1", "alias", "at least one value")),
                             ("no-webui = []", ("line 1", "true or false")),
                             ("cache-dir-size = 4", ("--cache-dir-size", "--cache-dir")),
                             ("max-gap = fast", ("line 1", "max-gap")),
                             ("chat-template = chatml\nchat-template-file = x",
                              ("--chat-template", "excludes"))):
            with self.subTest(text=text):
                self.refuse("serve", "--config", self.config(text), status=2, naming=naming)
        self.refuse("serve", "--config", self.folder / "none", status=2, naming=("none",))

    def test_what_one_flag_needs_may_stand_in_either_place(self):
        kept = self.folder / "kept"
        for text, flags in ((f"cache-dir = \"{kept}\"", ("--cache-dir-size", 4)),
                            ("cache-dir-size = 4", ("--cache-dir", kept)),
                            (f"cache-dir-size = 4\ncache-dir = \"{kept}\"", ())):
            with self.subTest(text=text), serving("--config", self.config(text), *flags) as server:
                self.assertEqual(server.ask("/health").status, 200)
                self.assertTrue(kept.is_dir())
                kept.rmdir()
        self.refuse("serve", "--config", self.config("chat-template = chatml"), "--chat-template-file", "x",
                    status=2, naming=("--chat-template", "excludes"))

    def test_the_example_is_right(self):
        with serving("--config", SOURCE / "docs" / "serve.conf") as server:
            self.assertEqual(server.ask("/props").json["total_slots"], 4)

    def test_the_unit_is_one(self):
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            print("skipped: no systemd-analyze")
            self.skipTest("no systemd-analyze")
        text = (SOURCE / "scripts" / "issun.service").read_text()
        unit = self.folder / "issun.service"
        unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={program.BINARY}", text, flags=re.M))
        done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True,
                              timeout=60, check=False)
        ours = [line for line in done.stderr.splitlines() if "issun.service" in line]
        self.assertEqual(ours, [], done.stderr)


if __name__ == "__main__":
    program.main()
