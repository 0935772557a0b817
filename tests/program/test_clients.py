"""The clients of npm against a server: see tests/clients. Skipped where node or the packages are
missing (npm ci in tests/clients)."""
import os
import shutil
import subprocess
import unittest

import program
from program import DEFAULT, SHARED, SOURCE
from serving import serving

FOLDER = SOURCE / "tests" / "clients"


class Clients(unittest.TestCase):
    def test_openai_and_ollama(self):
        node = shutil.which("node")
        missing = ("no node" if node is None else
                   "no packages (npm ci in tests/clients)"
                   if not (FOLDER / "node_modules" / "openai").exists() else None)
        if missing:
            print(f"skipped: {missing}")
            self.skipTest(missing)
        described = SHARED / "data" / "conformance" / "openai" / "openapi.json"
        with serving(DEFAULT, "--alias", "issun-27m", "--ctx-size", 1024, "--embedding-model",
                     SOURCE / "models" / "issun-embed.gguf") as server:
            environment = dict(os.environ, ISSUN_URL=f"http://127.0.0.1:{server.port}")
            if described.exists():
                environment["ISSUN_OPENAPI"] = str(described)
            done = subprocess.run([node, "--test", "test_clients.mjs"], cwd=FOLDER, env=environment,
                                  capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])


if __name__ == "__main__":
    program.main()
