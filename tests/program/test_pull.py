"""Models that are fetched: from a hub on this machine that also drops, corrupts, lies and refuses."""
import hashlib
import json
import os
import pty
import random
import shutil
import signal
import struct
import subprocess
import time

import program
from fake_hub import hub
from program import DEFAULT, ProgramTest, STORIES

MODEL = STORIES.read_bytes()
LARGE = DEFAULT.read_bytes()
FILE = "/a/b/resolve/main/m-Q8_0.gguf"


def part(number, count):
    """A part of a split model with one tensor of 256 KiB and a bit."""
    def key(name, kind, value):
        return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value
    keys = [key(b"split.no", 2, struct.pack("<H", number - 1)),
            key(b"split.count", 2, struct.pack("<H", count)),
            key(b"split.tensors.count", 5, struct.pack("<i", count))]
    if number == 1:
        keys.append(key(b"general.architecture", 8, struct.pack("<Q", 5) + b"llama"))
    name, numbers = b"t%d" % number, 70000
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + b"".join(keys)
    head += struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, numbers, 0, 0)
    head += bytes(-len(head) % 32)
    return head + random.Random(number).randbytes(4 * numbers)


def names_of(count):
    return [f"s-Q4_0-{i:05}-of-{count:05}.gguf" for i in range(1, count + 1)]


class Pull(ProgramTest):
    def setUp(self):
        super().setUp()
        self.models = self.folder / "models"
        self.env = self.environment()

    def environment(self, **more):
        env = program.environment(ISSUN_MODELS=str(self.models), NO_PROXY="*", **more)
        for name in ("HF_ENDPOINT", "HF_TOKEN", "ISSUN_OFFLINE"):
            if name not in more:
                env.pop(name, None)
        return env

    def start(self, repositories=None, plain=None, certificate=None):
        manager = hub(repositories, plain, certificate)
        running = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        self.env = self.environment(HF_ENDPOINT=running.address)
        return running

    def with_model(self, content=MODEL):
        return self.start({"a/b": {"m-Q8_0.gguf": content}})

    def pull(self, *arguments):
        return self.succeed("pull", *arguments, env=self.env)

    def fail_to_pull(self, *arguments, naming=(), status=1):
        return self.refuse("pull", *arguments, naming=naming, status=status, env=self.env)

    def stored(self, name="m-Q8_0.gguf"):
        found = list(self.models.rglob(name))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def listed(self):
        return json.loads(self.succeed("list", "--json", env=self.env).text)

    def expect_nothing_left(self):
        left = [path for path in self.models.rglob("*") if path.is_file()
                and not path.name.endswith(".json")]
        self.assertEqual(left, [])

    # What it is for.

    def test_a_model_is_fetched_in_parts_and_listed_run_and_removed(self):
        server = self.with_model()
        self.assertEqual(self.pull("hf:a/b").text, "a/b:Q8_0\n")
        self.assertEqual(self.stored().read_bytes(), MODEL)
        asked = server.ranges(FILE)
        self.assertGreater(len(asked), 2)
        self.assertEqual(sum(end - begin for begin, end in asked), len(MODEL))
        (model,) = self.listed()
        self.assertEqual((model["name"], model["bytes"], model["type"], model["complete"]),
                         ("a/b:Q8_0", len(MODEL), "Q8_0", True))
        self.assertEqual(model["files"][0]["sha256"], hashlib.sha256(MODEL).hexdigest())
        self.assertIn("a/b:Q8_0", self.succeed("list", env=self.env).text)
        self.assertEqual([path.name for path in sorted(self.stored().parent.iterdir())],
                         ["m-Q8_0.gguf", "m-Q8_0.gguf.json"])
        expected = self.succeed("run", STORIES, "-p", "Once", "-n", 8, "--seed", 1).text
        for model in (("a/b:Q8_0",), ("A/B:q8_0",), ("hf:a/b",), ("-hf", "a/b:Q8_0"), ("--hf=a/b",),
                      ("hf:a/b/m-Q8_0.gguf",)):
            with self.subTest(model=model):
                self.assertEqual(self.succeed("run", *model, "-p", "Once", "-n", 8, "--seed", 1,
                                              env=self.env).text, expected)
        self.refuse("rm", "a/b", naming=("a/b", "issun list"), env=self.env)
        self.succeed("rm", "a/b:Q8_0", env=self.env)
        self.assertEqual(self.listed(), [])
        self.assertEqual(list(self.models.iterdir()), [])

    def test_run_fetches_what_is_not_here_and_asks_nobody_when_it_is(self):
        server = self.with_model()
        self.succeed("run", "-hf", "a/b", "-p", "Once", "-n", 4, env=self.env)
        asked = len(server.log)
        self.assertGreater(asked, 0)
        for command in (("run", "-hf", "a/b", "-p", "Once", "-n", 4), ("inspect", "hf:a/b"),
                        ("tokenize", "a/b:Q8_0", "-p", "Once"), ("verify", "hf:a/b:Q8_0")):
            self.succeed(*command, env=self.env)
        self.assertEqual(len(server.log), asked)

    def test_an_address_is_fetched_and_its_sum_compared_where_it_is_told(self):
        server = self.start(plain={"/x/tiny.gguf": MODEL})
        digest = hashlib.sha256(MODEL).hexdigest()
        done = self.pull(server.address + "/x/tiny.gguf?download=true")
        self.assertEqual(done.text, "tiny\n")
        self.assertIn(digest, done.err.decode())
        self.succeed("run", "-mu", server.address + "/x/tiny.gguf?download=true", "-p", "Once", "-n",
                     4, "--offline", env=self.env)
        self.succeed("rm", "tiny", env=self.env)
        self.pull(server.address + "/x/tiny.gguf", "--sha256", digest)
        self.succeed("rm", "tiny", env=self.env)
        self.fail_to_pull(server.address + "/x/tiny.gguf", "--sha256", "0" * 64,
                          naming=("SHA-256", digest))
        self.fail_to_pull(server.address + "/x/tiny.gguf", "--sha256", "abc", status=2)
        self.expect_nothing_left()

    def test_a_type_is_chosen_and_what_there_is_is_told(self):
        self.start({"a/b": {"m-F16.gguf": MODEL, "m-Q4_K_M.gguf": MODEL, "m-Q2_K.gguf": MODEL,
                            "mmproj-m-F16.gguf": MODEL}, "a/none": {"readme.txt": b""},
                    "a/two": {"x-Q4_0.gguf": MODEL, "y-Q4_0.gguf": MODEL}})
        self.assertEqual(self.pull("hf:a/b").text, "a/b:Q4_K_M\n")
        self.assertEqual(self.pull("hf:a/b:q2_k").text, "a/b:Q2_K\n")
        self.fail_to_pull("hf:a/b:Q5_0", naming=("Q4_K_M", "m-F16.gguf", "Q2_K"))
        self.fail_to_pull("hf:a/two", naming=("x-Q4_0.gguf", "y-Q4_0.gguf", "/FILE"))
        self.assertEqual(self.pull("hf:a/two/y-Q4_0.gguf").text, "a/two/y-Q4_0.gguf\n")
        self.fail_to_pull("hf:a/none", naming=("GGUF",))
        self.fail_to_pull("hf:a/gone", naming=("404",))
        self.fail_to_pull("a/b", naming=("hf:OWNER/NAME",))

    def test_all_parts_of_a_split_model_come_and_go_together(self):
        names = names_of(3)
        server = self.start({"a/s": {name: part(i + 1, 3) for i, name in enumerate(names)}},
                            {f"/p/{name}": part(i + 1, 3) for i, name in enumerate(names)})
        self.assertEqual(self.pull("hf:a/s").text, "a/s:Q4_0\n")
        self.assertEqual(len(list(self.models.rglob("*.gguf"))), 3)
        report = json.loads(self.succeed("inspect", "a/s:Q4_0", "--json", env=self.env).text)
        self.assertEqual(len(report["tensors"]), 3)
        self.succeed("rm", "a/s:Q4_0", env=self.env)
        self.assertEqual(self.pull(f"{server.address}/p/{names[0]}").text, "s-Q4_0\n")
        self.assertEqual(len(list(self.models.rglob("*.gguf"))), 3)
        self.succeed("rm", "s-Q4_0", env=self.env)
        self.expect_nothing_left()
        self.fail_to_pull(f"{server.address}/p/{names[1]}", naming=("first part",))
        del server.repositories["a/s"][names[1]]
        self.fail_to_pull("hf:a/s", naming=("part 2",))

    def test_a_second_pull_fetches_nothing_unless_it_changed(self):
        server = self.with_model()
        self.pull("hf:a/b")
        asked = len(server.ranges(FILE))
        self.assertIn(b"nothing new", self.pull("a/b:Q8_0").err)
        self.assertEqual(len(server.ranges(FILE)), asked)
        changed = MODEL[:-1] + bytes([MODEL[-1] ^ 1])
        server.repositories["a/b"]["m-Q8_0.gguf"] = changed
        self.pull("a/b:Q8_0")
        self.assertEqual(self.stored().read_bytes(), changed)

    def test_an_update_that_fails_leaves_what_was_here(self):
        server = self.with_model()
        self.pull("hf:a/b")
        server.repositories["a/b"]["m-Q8_0.gguf"] = MODEL[:-1] + b"!"
        server.faults[FILE] = {"status": [404] * 100}
        self.fail_to_pull("hf:a/b", "--attempts", 1, naming=("404",))
        self.succeed("run", "a/b:Q8_0", "-p", "Once", "-n", 2, env=self.env)

    # Connections and servers that fail.

    def test_connections_that_break_are_taken_up_where_they_broke(self):
        server = self.with_model()
        server.faults[FILE] = {"drop": 100_000, "drops": 3}
        self.pull("hf:a/b", "--streams", 1)
        self.assertEqual(self.stored().read_bytes(), MODEL)
        begins = [begin for begin, _ in server.ranges(FILE)]
        self.assertEqual(len(begins), len(set(begins)))  # nothing is asked for twice
        self.assertIn(100_000, begins)

    def test_a_pull_that_gave_up_goes_on_with_what_is_missing_alone(self):
        server = self.with_model(LARGE)
        server.faults[FILE] = {"drop": 200_000}
        self.fail_to_pull("hf:a/b", "--attempts", 1, naming=("m-Q8_0.gguf",))
        (model,) = self.listed()
        self.assertFalse(model["complete"])
        self.assertGreater(model["bytes_here"], 100_000)
        self.assertIn("not whole", self.succeed("list", env=self.env).text)
        server.faults.clear()
        asked = len(server.ranges(FILE))
        self.assertIn(b"going on", self.pull("hf:a/b").err)
        missing = sum(end - begin for begin, end in server.ranges(FILE)[asked:])
        self.assertLessEqual(missing, len(LARGE) - 200_000)
        self.assertEqual(self.stored().read_bytes(), LARGE)

    def test_a_pull_that_is_killed_goes_on(self):
        server = self.with_model(LARGE)
        server.faults[FILE] = {"delay": 0.004}
        kills = 0
        for wait in (0.5, 0.9, 0.7):
            process = subprocess.Popen([program.BINARY, "pull", "hf:a/b", "--streams", "8"],
                                       env=self.env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        self.assertGreater(kills, 0)
        server.faults.clear()
        self.pull("hf:a/b")
        self.assertEqual(self.stored().read_bytes(), LARGE)

    def test_an_interrupt_leaves_what_came_and_says_so(self):
        server = self.with_model(LARGE)
        server.faults[FILE] = {"delay": 0.02}
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        process = subprocess.Popen([program.BINARY, "pull", "hf:a/b"], env=self.env,
                                   stdout=subprocess.PIPE, stderr=follower)
        os.close(follower)
        seen = b""
        while b"MB/s" not in seen:
            seen += os.read(leader, 65536)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 1)
        self.assertEqual(process.stdout.read(), b"")
        process.stdout.close()
        while b"goes on" not in seen:
            seen += os.read(leader, 65536)
        self.assertRegex(seen, rb"% *: [0-9.]+ of 15\.9 MB, [0-9.]+ MB/s, .* left: a/b:Q8_0")
        server.faults.clear()
        self.assertIn(b"going on", self.pull("hf:a/b").err)

    def test_a_server_without_ranges_gives_the_whole_file(self):
        server = self.with_model()
        server.faults[FILE] = {"no_ranges": True, "drop": 300_000, "drops": 1}
        self.pull("hf:a/b")
        self.assertEqual(self.stored().read_bytes(), MODEL)
        server.faults[FILE] = {"no_ranges": True, "drop": 300_000}
        self.succeed("rm", "a/b:Q8_0", env=self.env)
        self.fail_to_pull("hf:a/b", "--attempts", 2, naming=("m-Q8_0.gguf",))

    def test_busy_and_ill_servers_are_asked_again_as_they_wish(self):
        server = self.with_model()
        server.faults[FILE] = {"status": [500, 429, 503], "retry_after": 1}
        began = time.monotonic()
        self.pull("hf:a/b")
        self.assertGreaterEqual(time.monotonic() - began, 3)
        self.assertEqual(self.stored().read_bytes(), MODEL)
        self.succeed("rm", "a/b:Q8_0", env=self.env)
        server.faults[FILE] = {"status": [500] * 100}
        self.fail_to_pull("hf:a/b", "--attempts", 2, naming=("500",))
        server.faults[FILE] = {"status": [403] * 100}
        self.fail_to_pull("hf:a/b", naming=("403", "HF_TOKEN"))

    def test_a_server_that_is_not_there_is_named(self):
        self.env["HF_ENDPOINT"] = "http://127.0.0.1:1"
        self.fail_to_pull("hf:a/b", "--attempts", 1, naming=("http://127.0.0.1:1",))
        self.fail_to_pull("hf:a/b", "--endpoint", "nonsense", naming=("nonsense", "https://"))

    # Servers that change or lie.

    def test_a_wrong_byte_is_found_and_fetched_anew_once(self):
        server = self.with_model()
        server.faults[FILE] = {"corrupt": 1}
        self.assertIn(b"SHA-256", self.pull("hf:a/b").err)
        self.assertEqual(self.stored().read_bytes(), MODEL)
        self.succeed("rm", "a/b:Q8_0", env=self.env)
        server.faults[FILE] = {"corrupt": 1000}
        self.fail_to_pull("hf:a/b", naming=("SHA-256", "nothing is kept"))
        self.expect_nothing_left()
        self.assertFalse(self.listed()[0]["complete"])
        self.succeed("rm", "a/b:Q8_0", env=self.env)

    def test_a_file_that_changed_since_is_fetched_from_the_beginning(self):
        path = "/x/m.gguf"
        server = self.start(plain={path: LARGE})
        server.etags[path] = '"one"'
        server.faults[path] = {"drop": 200_000}
        self.fail_to_pull(server.address + path, "--attempts", 1)
        changed = LARGE[:-1] + bytes([LARGE[-1] ^ 1])
        server.plain[path], server.etags[path] = changed, '"two"'
        server.faults.clear()
        asked = len(server.ranges(path))
        self.assertIn(b"changed", self.pull(server.address + path).err)
        self.assertEqual(sum(end - begin for begin, end in server.ranges(path)[asked:]), len(LARGE))
        self.assertEqual(self.stored("m.gguf").read_bytes(), changed)
        self.assertIn(b"nothing new", self.pull(server.address + path).err)

    def test_names_that_lead_elsewhere_are_refused(self):
        server = self.start({})
        for name in ("../x-Q4_0.gguf", "/tmp/x-Q4_0.gguf", "a/../../x.gguf", "a\\x.gguf",
                     "a\x1b[2J.gguf", ".x.gguf"):
            with self.subTest(name=name):
                server.listed["a/b"] = [{"type": "file", "path": name, "size": len(MODEL)}]
                done = self.fail_to_pull("hf:a/b", naming=("expected the name of a file",))
                self.assertNotIn(b"\x1b", done.err)
        for answer in (b"<html>hello</html>", b"{}", b"[" * 10000, b"", b"[" + b" " * (40 << 20)):
            with self.subTest(answer=answer[:10]):
                server.listed["a/b"] = answer
                self.fail_to_pull("hf:a/b", naming=("/api/models/a/b",))
        self.assertEqual([path for path in self.models.rglob("*")], [])

    def test_lengths_that_lie_and_bodies_without_end_are_bounded(self):
        server = self.with_model()
        for fault in ({"lie": 1000}, {"lie": -1000}, {"no_ranges": True, "lie": 1 << 40},
                      {"extra": 5_000_000}, {"no_ranges": True, "extra": 5_000_000}):
            with self.subTest(fault=fault):
                server.faults[FILE] = dict(fault)
                self.fail_to_pull("hf:a/b", "--attempts", 1, naming=("bytes",))
                for path in self.models.rglob("*.part"):
                    self.assertLessEqual(path.stat().st_size, len(MODEL))

    def test_what_is_no_model_is_refused_before_it_is_fetched(self):
        server = self.start(plain={"/x.gguf": b"<html>" + bytes(1 << 20), "/y.gguf": bytes(100)})
        self.fail_to_pull(server.address + "/x.gguf", naming=("HTML",))
        self.fail_to_pull(server.address + "/y.gguf", naming=("GGUF",))
        self.fail_to_pull(server.address + "/gone.gguf", naming=("404",))
        server.plain["/z.gguf"] = b"GGUF" + bytes(1 << 20)
        self.fail_to_pull(server.address + "/z.gguf", naming=("z.gguf", "no sound model"))
        self.expect_nothing_left()

    def test_compressed_content_is_refused(self):
        server = self.with_model()
        server.faults[FILE] = {"encoding": "gzip"}
        self.fail_to_pull("hf:a/b", naming=("compressed", "gzip"))

    def test_redirections_out_of_the_web_or_without_end_are_refused(self):
        server = self.with_model()
        secret = self.folder / "secret.gguf"
        secret.write_bytes(MODEL)
        for target in (f"file://{secret}", "ftp://127.0.0.1/x.gguf", "gopher://127.0.0.1:1/x",
                       FILE):
            with self.subTest(target=target):
                server.faults[FILE] = {"redirect": target}
                self.fail_to_pull("hf:a/b", naming=("redirection",))

    def test_a_token_is_shown_to_its_server_alone_and_never_told(self):
        token = "hf_secretsecret"
        content = self.with_model()
        front = self.with_model()
        front.token, front.redirect = token, content.address
        self.fail_to_pull("hf:a/b", naming=("401", "HF_TOKEN"))
        file = self.folder / "token"
        file.write_text(token + "\n")
        for told in ({"HF_TOKEN": token}, {}):
            env = self.environment(HF_ENDPOINT=front.address, **told)
            done = self.succeed("pull", "hf:a/b", *(() if told else ("--token-file", file)), env=env)
            self.assertNotIn(token.encode(), done.out + done.err)
            self.succeed("rm", "a/b:Q8_0", env=env)
        self.assertGreater(len(content.log), 1)
        for _, _, headers, _ in content.log:
            self.assertNotIn("authorization", headers)
        # An address is not the hub.
        env = self.environment(HF_ENDPOINT=front.address, HF_TOKEN=token)
        self.succeed("pull", content.address + FILE, env=env)
        self.assertNotIn(token, json.dumps(content.log))
        wrong = self.environment(HF_ENDPOINT=front.address, HF_TOKEN="wrong_token")
        done = self.refuse("pull", "hf:a/b", naming=("401", "token"), env=wrong)
        self.assertNotIn(b"wrong_token", done.err)
        env = self.environment(HF_ENDPOINT="http://mirror.invalid", HF_TOKEN=token)
        done = self.refuse("pull", "hf:a/b", naming=("https",), env=env)
        self.assertNotIn(token.encode(), done.err)

    def certificate(self):
        if not shutil.which("openssl"):
            self.skipTest("no openssl, which makes certificates")
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "1", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
        return certificate

    def test_https_is_for_servers_that_are_trusted_and_stays_https(self):
        certificate = self.certificate()
        plain = self.with_model()
        server = self.start({"a/b": {"m-Q8_0.gguf": MODEL}}, certificate=certificate)
        self.fail_to_pull("hf:a/b", "--attempts", 1, naming=("certificate",))
        self.env["SSL_CERT_FILE"] = str(certificate)
        server.redirect = plain.address
        self.fail_to_pull("hf:a/b", naming=("redirection", "expected https"))
        self.assertEqual(plain.log, [])
        server.redirect = None
        self.pull("hf:a/b")
        self.assertEqual(self.stored().read_bytes(), MODEL)

    # One cache for all.

    def test_two_that_fetch_the_same_share_the_work(self):
        server = self.with_model(LARGE)
        server.faults[FILE] = {"delay": 0.002}
        both = [subprocess.Popen([program.BINARY, "pull", "hf:a/b"], env=self.env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        said = b"".join(b"".join(process.communicate(timeout=120)) for process in both)
        self.assertEqual([process.returncode for process in both], [0, 0], said)
        self.assertIn(b"another process", said)
        self.assertEqual(self.stored().read_bytes(), LARGE)
        self.assertEqual(sum(end - begin for begin, end in server.ranges(FILE)), len(LARGE))
        self.assertEqual(list(self.models.rglob("*.lock")), [])

    def test_offline_nothing_is_asked(self):
        server = self.with_model()
        self.fail_to_pull("hf:a/b", "--offline", naming=("offline",))
        self.refuse("run", "-hf", "a/b", "--offline", "-p", "", naming=("hf:a/b", "offline"),
                    env=self.env)
        env = dict(self.env, ISSUN_OFFLINE="1")
        self.refuse("run", "-hf", "a/b", "-p", "", naming=("offline",), env=env)
        self.assertEqual(server.log, [])
        self.pull("hf:a/b")
        self.succeed("run", "-hf", "a/b", "-p", "Once", "-n", 2, env=env)

    def test_a_mirror_is_named_by_an_option(self):
        server = self.with_model()
        self.env["HF_ENDPOINT"] = "http://127.0.0.1:1"
        self.pull("hf:a/b", "--endpoint", server.address + "/")

    def test_a_file_put_there_by_hand_has_a_name(self):
        self.models.mkdir()
        self.env["ISSUN_MODELS"] += "/"
        (self.models / "mine-Q8_0.gguf").write_bytes(MODEL)
        (model,) = self.listed()
        self.assertEqual((model["name"], model["source"]), ("mine-Q8_0", ""))
        self.succeed("run", "mine-Q8_0", "-p", "Once", "-n", 2, env=self.env)
        self.fail_to_pull("mine-Q8_0", naming=("by hand",))
        self.succeed("rm", "mine-Q8_0", env=self.env)
        self.expect_nothing_left()

    def test_a_disk_without_room_is_a_sentence(self):
        server = self.start(plain={"/x.gguf": MODEL})
        server.faults["/x.gguf"] = {"lie": 1 << 43}
        self.fail_to_pull(server.address + "/x.gguf", naming=("room", str(self.models)))

    def test_wrong_use_is_told(self):
        for arguments in (("pull",), ("rm",), ("pull", "hf:a/b", "--streams", 0),
                          ("run", STORIES, "-hf", "a/b"), ("run", "-hf")):
            with self.subTest(arguments=arguments):
                self.refuse(*arguments, status=2, env=self.env)
        for arguments in (("pull", "hf:a"), ("run", "-hf", "../x"), ("run", "-mu", "file:///x.gguf"),
                          ("run", "-mu", str(STORIES))):
            with self.subTest(arguments=arguments):
                self.refuse(*arguments, naming=("expected",), env=self.env)


if __name__ == "__main__":
    program.main()
