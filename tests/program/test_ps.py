"""`issun ps` and `issun stop`: the servers of this user, and their end."""
import contextlib
import http.client
import json
import os
import re
import subprocess
import time
import unittest.mock

import program
from program import BINARY, DEFAULT, ProgramTest, SOURCE, environment

EMBEDDER = SOURCE / "models" / "issun-embed.gguf"


@contextlib.contextmanager
def server(*arguments, port=0):
    with subprocess.Popen([BINARY, "serve", *map(str, arguments), "--port", str(port)], stderr=subprocess.PIPE,
                          env=environment()) as process:
        try:
            said = b""
            while b"at http://" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            process.port = int(re.search(rb"http://[^ ]*:(\d+)", said).group(1))
            yield process
        finally:
            process.kill()


class Servers(ProgramTest):
    def setUp(self):
        super().setUp()
        runtime = unittest.mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(self.folder)})
        runtime.start()
        self.addCleanup(runtime.stop)

    def listed(self, *flags):
        return json.loads(self.succeed("ps", "--json", *flags).text)

    def test_servers_are_listed_and_stopped_by_port_process_or_all(self):
        self.assertEqual(self.listed(), [])
        self.refuse("stop", naming=("no servers",))
        with server(DEFAULT, "--ctx-size", 128, "--alias", "first") as first, \
                server(DEFAULT, "--ctx-size", 128, "--api-key", "secret") as second, \
                server(EMBEDDER) as third:
            found = self.listed()
            self.assertEqual([entry["pid"] for entry in found], [first.pid, second.pid, third.pid])
            self.assertEqual([entry["port"] for entry in found], [first.port, second.port, third.port])
            self.assertEqual(found[0]["model"], "first")
            self.assertEqual(found[0]["slots"]["running"], 0)
            self.assertIn("key", found[1]["note"])
            self.assertEqual(self.listed("--api-key", "secret")[1]["slots"]["waiting"], 0)
            self.assertIn("vectors", found[2]["note"])
            self.assertIn("first", self.succeed("ps").text)
            for file in (self.folder / "issun").iterdir():
                self.assertNotIn("secret", file.read_text())
            self.refuse("stop", naming=("3 servers",))
            self.refuse("stop", 1, naming=("1:",))
            self.succeed("stop", first.port)
            self.assertEqual(first.wait(1), 0)
            self.succeed("stop", second.pid)
            self.assertEqual(second.wait(1), 0)
            self.assertEqual([entry["pid"] for entry in self.listed()], [third.pid])
            third.kill()
            third.wait()
            self.assertEqual(self.listed(), [])
            self.assertEqual(list((self.folder / "issun").iterdir()), [])
        with server(DEFAULT, "--ctx-size", 128) as one, server(DEFAULT, "--ctx-size", 128) as two:
            self.succeed("stop", "--all")
            self.assertEqual((one.wait(1), two.wait(1)), (0, 0))

    def test_a_server_named_twice_is_stopped_once_and_a_port_of_two_is_not_enough(self):
        with server(EMBEDDER) as one, \
                server(EMBEDDER, "--host", "127.0.0.2", port=one.port) as two:
            self.refuse("stop", one.port, naming=("several servers have that port", "--all"))
            self.succeed("stop", two.pid)
            said = self.succeed("stop", one.port, one.pid)
            self.assertEqual(said.err.count(b"stopped"), 1, said.err)
            self.assertEqual((one.wait(1), two.wait(1)), (0, 0))

    def test_a_server_that_goes_on_is_reported(self):
        with server(DEFAULT, "--ctx-size", 4096) as busy:
            client = http.client.HTTPConnection("127.0.0.1", busy.port, timeout=60)
            client.request("POST", "/v1/completions",
                           json.dumps({"prompt": "Once", "max_tokens": 4000, "ignore_eos": True,
                                       "stream": True}), {"Content-Type": "application/json"})
            self.assertTrue(client.getresponse().read1(10))
            self.assertEqual(self.listed()[0]["slots"]["running"], 1)
            began = time.monotonic()
            self.refuse("stop", busy.pid, "--timeout", 0.5, naming=("still finishing",))
            self.assertLess(time.monotonic() - began, 20)
            client.close()


if __name__ == "__main__":
    program.main()
