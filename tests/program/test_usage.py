"""What every command promises: help, exit codes, answers on stdout and the rest on stderr."""
import fcntl
import json
import os
import signal
import subprocess

import program
from program import DEFAULT, ProgramTest, STORIES

COMMANDS = (("run",), ("inspect",), ("tokenize",), ("detokenize",), ("logits",), ("verify",),
            ("bench",), ("bench", "speculation"), ("synth",), ("import",), ("eval", "perplexity"), ("eval", "kld"),
            ("eval", "kld-base"), ("eval", "choice"), ("eval", "last-word"), ("eval", "code"),
            ("embed",), ("rerank",),
            ("tokenizer", "train"), ("quantize",), ("quantize", "lab"),
            ("imatrix",), ("pack",), ("serve",), ("study", "cpu"), ("experts", "trace"), ("experts", "replay"),
            ("experts", "report"), ("pull",), ("list",), ("rm",), ("ps",), ("stop",))


class Usage(ProgramTest):
    def test_help_of_the_program_names_every_command(self):
        text = self.succeed("--help").text
        for command in COMMANDS:
            self.assertIn(command[0], text)

    def test_every_command_has_help_on_stdout(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                done = self.succeed(*command, "--help")
                self.assertIn(command[-1], done.text)
                self.assertEqual(done.err, b"")

    def test_the_version_is_told(self):
        self.assertRegex(self.succeed("--version").text, r"\d+\.\d+\.\d+")

    def test_wrong_use_exits_with_2(self):
        for arguments in ((), ("fly",), ("run", "--no-such-flag"), ("run", "-n", "many"),
                          ("inspect",), ("logits", STORIES), ("eval",),
                          ("run", STORIES, "--temp", "hot"), ("run", STORIES, "-t", "-3")):
            with self.subTest(arguments=arguments):
                self.refuse(*arguments, status=2)

    def test_a_file_that_is_not_there_is_named_and_exits_with_1(self):
        for command in (("run",), ("inspect",), ("verify",), ("bench",), ("tokenize",)):
            with self.subTest(command=command):
                self.refuse(*command, "no/such/model.gguf", naming=("no/such/model.gguf",))

    def test_an_instruction_set_that_does_not_exist_or_cannot_run_here_gets_a_sentence(self):
        self.refuse("run", STORIES, "-p", "", "-n", 1, isa="mmx", naming=("mmx",))
        for isa in set(program.ISA_FLAGS) - set(program.isas()):
            with self.subTest(isa=isa):
                self.refuse("run", STORIES, "-p", "", "-n", 1, isa=isa, naming=(isa,))

    def test_a_reader_that_has_seen_enough_ends_the_program_quietly(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ: less than the report
        with subprocess.Popen([program.BINARY, "inspect", STORIES, "--json"], stdout=writer,
                              stderr=subprocess.PIPE) as process:
            os.close(writer)
            self.assertEqual(len(os.read(reader, 10)), 10)
            os.close(reader)
            self.assertEqual(process.stderr.read(), b"")
            self.assertIn(process.wait(60), (0, -signal.SIGPIPE))

    def test_a_closed_standard_input_is_an_empty_one(self):
        command = f'"{program.BINARY}" run "{STORIES}" --temp 0 -n 8 '
        closed, empty = (subprocess.run(["sh", "-c", command + how], capture_output=True,
                                        timeout=60, check=False)
                         for how in ("<&-", "</dev/null"))
        self.assertEqual(closed.returncode, 0, closed)
        self.assertEqual(closed.stdout, empty.stdout)
        self.assertTrue(closed.stdout.strip())

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        for arguments in (("run", STORIES, "-p", "", "-n", "5"), ("inspect", STORIES), ("--help",),
                          ("--version",), ("tokenize", STORIES, "-p", "a")):
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                done = subprocess.run([program.BINARY, *map(str, arguments)], stdout=full,
                                      stderr=subprocess.PIPE, timeout=60, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"stdout: No space left on device", done.stderr)

    def test_nothing_steers_the_terminal(self):
        for name in ("a\x1b[2Jb.gguf", "a\u009b2Jb.gguf"):
            path = self.folder / name
            for done in (program.issun("run", path), program.issun("run", "--no" + name)):
                self.assertNotEqual(done.status, 0)
                self.assertNotIn(b"\x1b", done.err)
                self.assertNotIn(b"\xc2\x9b", done.err)
                self.assertIn(b"2Jb.gguf", done.err)
            path.write_bytes(STORIES.read_bytes())
            for command in ("inspect", "verify"):
                done = self.succeed(command, path)
                self.assertNotIn(b"\x1b", done.out)
                self.assertNotIn(b"\xc2\x9b", done.out)

    def test_json_is_written_even_of_names_that_are_no_utf_8(self):
        path = self.folder / os.fsdecode(b"bad\xff.gguf")
        path.write_bytes(STORIES.read_bytes())
        text = self.folder / os.fsdecode(b"text\xfe")
        text.write_bytes(b"Once upon a time \xff there was " * 20)
        for arguments in (("inspect", path), ("verify", path), ("eval", "perplexity", path, "-f", text),
                          ("run", path, "-f", text, "-n", 5), ("tokenize", path, "-f", text),
                          ("synth", "tiny", "F32", self.folder / os.fsdecode(b"new\xff"))):
            with self.subTest(arguments=arguments):
                json.loads(self.succeed(*arguments, "--json").out.decode("utf-8"))

    def test_a_prompt_that_is_refused_is_not_repeated(self):
        self.refuse("run", STORIES, "-p", "Once upon a time " * 100, "-c", 64, naming=("64",))

    def test_the_names_people_type_are_understood(self):
        def text(*more):
            return self.succeed("run", STORIES, "-p", "Once", "--seed", 1, *more).text
        plain = text("-n", 12)
        for more in (("--n-predict", 12), ("-n", 12, "-t", -1), ("-n", 12, "-t", 0),
                     ("-n", 12, "-b", 2048, "-ub", 512), ("-n", 12, "--batch-size", 64),
                     ("-n", 12, "-ctk", "f16", "-ctv", "f16"), ("-n", 12, "--cache-type", "F16")):
            with self.subTest(more=more):
                self.assertEqual(text(*more), plain)
        self.assertEqual(text("-n", 40, "--top-k", -1), text("-n", 40, "--top-k", 0))
        self.assertEqual(json.loads(self.succeed("inspect", STORIES, "--json", "-b", 64, "-ub",
                                                 32).text)["memory"]["batch"], 32)

    def test_a_cache_type_that_is_none_is_refused_with_the_list(self):
        for flag in ("--cache-type", "-ctk", "-ctv"):
            with self.subTest(flag=flag):
                self.refuse("run", STORIES, "-p", "", flag, "q6_k", status=2,
                            naming=("q6_k", "f32", "bf16", "q8_0", "iq4_nl"))
        self.refuse("bench", STORIES, "--cache-rotate", "maybe", status=2, naming=("auto", "off"))

    def test_every_cache_type_runs_for_keys_and_for_values_and_takes_its_bytes(self):
        def memory(*more):
            return json.loads(self.succeed("inspect", DEFAULT, "--json", "-c", 512,
                                           *more).text)["memory"]
        wide = memory("--cache-type", "f32")["cache_bytes"]
        self.assertEqual(memory("-ctk", "F32", "-ctv", "f32")["cache_bytes"], wide)
        # Heads of the model that comes with issun are a multiple of 32 wide: no block is padded.
        for name, bytes_of_32 in (("f16", 64), ("bf16", 64), ("q8_0", 34), ("q5_1", 24),
                                  ("q5_0", 22), ("q4_1", 20), ("q4_0", 18), ("iq4_nl", 18)):
            with self.subTest(type=name):
                self.assertEqual(memory("--cache-type", name)["cache_bytes"],
                                 wide // 128 * bytes_of_32)
                mixed = memory("--cache-type", name, "-ctv", "f32")
                self.assertEqual(mixed["cache_bytes"], wide // 256 * (bytes_of_32 + 128))
                self.assertEqual((mixed["cache_type_k"], mixed["cache_type_v"]),
                                 (name.upper(), "F32"))
                text = self.succeed("run", STORIES, "-p", "Once upon a time", "-n", 8, "--seed", 1,
                                    "-ctk", name, "-ctv", "q8_0").text
                self.assertGreater(len(text), 8)

    def test_rotation_is_for_few_bits_unless_it_is_asked_for(self):
        def matrices(*more):
            memory = json.loads(self.succeed("inspect", DEFAULT, "--json", *more).text)["memory"]
            return [bool(memory["cache_rotation_" + side]) for side in "kv"]
        self.assertEqual(matrices(), [False, False])
        self.assertEqual(matrices("-ctk", "q4_0", "-ctv", "q8_0"), [True, False])
        self.assertEqual(matrices("--cache-type", "q5_1"), [True, True])
        self.assertEqual(matrices("--cache-type", "q4_0", "--cache-rotate", "off"), [False, False])
        self.assertEqual(matrices("--cache-rotate", "on"), [True, True])

    def test_a_context_beyond_the_trained_one_is_noted(self):
        def notes(context):
            done = self.succeed("run", STORIES, "-p", "Once", "-n", 2, "-c", context)
            return [line for line in done.err.decode().splitlines() if "trained with 512" in line]
        self.assertEqual(len(notes(513)), 1)
        self.assertEqual(notes(512), [])

    def test_a_benchmark_of_nothing_is_wrong_use(self):
        self.refuse("bench", STORIES, "-p", 0, "-n", 0, status=2, naming=("-p and -n",))

    def test_a_benchmark_of_several_texts_counts_all_their_tokens(self):
        lines = self.succeed("bench", STORIES, "-p", 0, "-n", 4, "-d", 3, "--sequences", "1,3", "-r", 1,
                             "-t", 1, "--json").text.splitlines()
        one, three = map(json.loads, lines)
        self.assertEqual((one["test"], one["sequences"]), ("tg4 @ d3", 1))
        self.assertEqual((three["test"], three["sequences"]), ("tg4 x 3 @ d3", 3))
        for case in (one, three):
            self.assertAlmostEqual(case["tokens_per_second"]["median"] * case["seconds"][0],
                                   4 * case["sequences"], places=6)
        bench = ("bench", STORIES, "-n", 4, "--sequences")
        self.refuse("bench", STORIES, "-n", 0, "--sequences", 2, status=2, naming=("-n",))
        self.refuse(*bench, 513, status=2, naming=("--batch", "512"))
        self.refuse(*bench, 5, "-b", 4, status=2, naming=("--batch", "4"))
        self.refuse(*bench, 2, "--against", "llama-bench", status=2, naming=("--sequences",))

    def test_every_command_takes_the_model_by_its_flag(self):
        for arguments in (("tokenize", "-p", "Once"), ("detokenize", "--tokens", "403,407"),
                          ("verify",)):
            with self.subTest(arguments=arguments):
                named = self.succeed(*arguments, STORIES)
                self.assertEqual(self.succeed(*arguments, "-m", STORIES).out, named.out)
                if "token" in arguments[0]:
                    named = self.succeed(*arguments, DEFAULT)
                    self.assertEqual(self.succeed(*arguments).out, named.out)  # the built-in model


class Data(ProgramTest):
    def test_inspect_tells_metadata_tensors_tokenizer_and_memory_as_json(self):
        report = json.loads(self.succeed("inspect", STORIES, "--json").text)
        text = json.dumps(report)
        for word in ("llama.embedding_length", "token_embd.weight", "F32"):
            self.assertIn(word, text)
        self.assertIn("memory", report)

    def test_inspect_reads_for_people_too(self):
        text = self.succeed("inspect", STORIES).text
        for word in ("llama", "token_embd.weight", "F32", "512"):
            self.assertIn(word, text)

    def test_the_memory_plan_grows_with_the_context(self):
        def cache_bytes(context, kind):
            report = json.loads(self.succeed("inspect", STORIES, "--json", "-c", context,
                                             "--cache-type", kind).text)
            return report["memory"]["cache_bytes"]
        # 5 layers, keys and values, 4 heads of 8 values, 4 bytes each; whole pages of 64 positions.
        self.assertEqual(cache_bytes(256, "f32"), 256 * 5 * 2 * 4 * 8 * 4)
        self.assertEqual(cache_bytes(512, "f16"), 512 * 5 * 2 * 4 * 8 * 2)

    def test_tokens_and_text_go_both_ways(self):
        text = "Once upon a time, 一寸法師 ate 3 cakes.\n"
        done = self.succeed("tokenize", STORIES, "--json", stdin=text.encode())
        tokens = json.loads(done.text)["tokens"]
        self.assertEqual(tokens[:4], [1, 403, 407, 261])
        back = self.succeed("detokenize", STORIES, "--tokens", ",".join(map(str, tokens)))
        self.assertEqual(back.text.strip(), text.strip())

    def test_a_token_outside_the_vocabulary_is_named(self):
        self.refuse("detokenize", STORIES, "--tokens", "1,512", naming=("512",))
        self.refuse("logits", STORIES, "--tokens", "1,-1", "--out", self.folder / "x", naming=("-1",))

    def test_verify_finds_nothing_in_a_sound_file_and_the_fault_in_another(self):
        self.succeed("verify", STORIES)
        data = bytearray(STORIES.read_bytes())
        data[-4:] = b"\x00\x00\xc0\x7f"  # a NaN as the last weight
        broken = self.folder / "broken.gguf"
        broken.write_bytes(data)
        done = program.issun("verify", broken)
        self.assertEqual(done.status, 1, done)
        self.assertRegex((done.out + done.err).decode(), r"(?i)nan|finite")

    def test_verify_gives_a_hash_that_moves_with_the_content(self):
        first = json.loads(self.succeed("verify", STORIES, "--json").text)
        data = bytearray(STORIES.read_bytes())
        data[-4] ^= 1
        other = self.folder / "other.gguf"
        other.write_bytes(data)
        second = json.loads(self.succeed("verify", other, "--json").text)
        self.assertNotEqual(first["hash"], second["hash"])

    def test_bench_says_where_the_time_goes(self):
        command = ("bench", STORIES, "-p", 32, "-n", 8, "-r", 1, "--profile")
        lines = self.succeed(*command, "--json").out.splitlines()
        for line in map(json.loads, lines):
            profile = line["profile"]
            self.assertGreater(profile["seconds"]["feed-forward matrices"], 0)
            self.assertGreater(profile["share_of_products"], 0)
            shares = [profile[f"share_of_{part}"] for part in ("products", "attention", "the_rest")]
            self.assertAlmostEqual(sum(shares), 1)
            # What lies between two passes is little, and not in it.
            self.assertLessEqual(sum(profile["seconds"].values()), sum(line["seconds"]))
        self.assertEqual([json.loads(line)["profile"]["seconds_to_choose"] > 0 for line in lines],
                         [False, True])
        shown = self.succeed(*command).out.decode()
        self.assertIn("feed-forward matrices", shown)
        self.assertIn("products with weights", shown)
        self.assertIn("choosing a token", shown)
        plain = self.succeed(*command[:-1], "--json").out.splitlines()
        self.assertNotIn("profile", json.loads(plain[0]))

    def test_bench_against_another_program_prints_ratios_of_neighbours(self):
        case = ("bench", STORIES, "-p", 8, "-n", 4, "-r", 2, "-t", 1)
        told = ("echo '[{\"n_prompt\": 8, \"n_gen\": 0, \"avg_ts\": 0.5}, "
                "{\"n_prompt\": 0, \"n_gen\": 4, \"avg_ts\": 0.25}]' #")
        lines = self.succeed(*case, "--against", told, "--json").out.splitlines()
        prompt, written = map(json.loads, lines)
        self.assertEqual((prompt["test"], written["test"]), ("pp8", "tg4"))
        self.assertEqual(written["other_tokens_per_second"], [0.25, 0.25])
        self.assertEqual(len(written["own_tokens_per_second"]), 2)
        for line in (prompt, written):
            self.assertGreater(line["ratio_of_medians"], 1)
            self.assertLessEqual(line["least_ratio"], line["greatest_ratio"])
        # Another issun is asked in its own words.
        shown = self.succeed(*case, "--against", program.BINARY).out.decode()
        self.assertIn("ratio", shown)
        self.assertIn("pp8", shown)
        self.refuse(*case, "--against", "echo '[]' #", status=1, naming=("echo", "pp8"))
        self.refuse(*case, "--against", "sh -c 'echo no such model >&2; exit 3' #", status=1,
                    naming=("status 3", "no such model"))
        self.refuse(*case, "-t", "1,2", "--against", "x", status=2, naming=("--against",))
        self.refuse("bench", "--against", "x", status=2, naming=("--against",))
        self.refuse(*case, "--profile", "--against", "x", status=2, naming=("--profile",))
        # What counted for one of them alone would be compared with something else.
        self.refuse(*case, "--exact", "--against", "llama-bench", status=2, naming=("--exact",))
        self.succeed(*case, "--exact", "-b", 8, "--against", program.BINARY)

    def test_bench_writes_one_line_of_json_a_case(self):
        done = self.succeed("bench", STORIES, "-p", 32, "-n", 8, "-r", 2, "--json")
        lines = [json.loads(line) for line in done.text.splitlines()]
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            self.assertGreater(line["tokens_per_second"]["median"], 0)

    def test_a_synthetic_model_opens_and_runs(self):
        path = self.folder / "synthetic.gguf"
        self.succeed("synth", "tiny", "Q4_K_M", path)
        self.succeed("verify", path)
        self.succeed("run", path, "-p", "a", "-n", 4, "--temp", "0")

    def test_a_synthetic_model_is_routed_by_counts(self):
        path, counts, text = (self.folder / name for name in ("moe.gguf", "c.json", "text.txt"))
        counts.write_text(json.dumps([{e: {e * 10 + t: 5 + t for t in range(10)}
                                       for e in range(8)}]))
        text.write_text("the rain in spain stays mainly in the plain " * 5)
        report = json.loads(self.succeed("synth", "tiny-moe", "Q8_0", path, "--routing", counts,
                                         "--routing-text", text, "--json").text)
        self.assertGreater(report["routed_tokens"], 5)
        self.succeed("run", path, "-p", "a", "-n", 4, "--temp", "0")
        refused = self.folder / "refused.gguf"
        self.refuse("synth", "tiny-moe", "Q8_0", refused, "--routing", counts, status=1,
                    naming=("--tokenizer", "--routing-text"))
        self.refuse("synth", "tiny", "Q8_0", refused, "--routing", counts, "--routing-text", text,
                    status=1, naming=("experts", "tiny"))
        counts.write_text('[{"0": {"x": 1}}]')
        self.refuse("synth", "tiny-moe", "Q8_0", refused, "--routing", counts, "--routing-text",
                    text, status=1, naming=("token id", "x"))

    def test_a_shape_that_does_not_exist_is_refused_with_those_that_do(self):
        self.refuse("synth", "no-such-shape", "Q8_0", self.folder / "x.gguf", status=2,
                    naming=("llama-3.2-1b",))

    def test_perplexity_is_counted_per_token_and_per_byte(self):
        text = self.folder / "text.txt"
        text.write_text("Once upon a time, there was a little girl named Lily. " * 20)
        report = json.loads(self.succeed("eval", "perplexity", STORIES, "--text", text,
                                         "--json").text)
        self.assertGreater(report["perplexity"], 1)
        self.assertLess(report["perplexity"], 50)


if __name__ == "__main__":
    program.main()
