"""What every command promises: help, exit codes, answers on stdout and the rest on stderr."""
import json

import program
from program import ProgramTest, STORIES

COMMANDS = (("run",), ("inspect",), ("tokenize",), ("detokenize",), ("logits",), ("verify",),
            ("bench",), ("synth",), ("eval", "perplexity"))


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

    def test_a_closed_stdout_is_no_crash(self):
        done = program.subprocess.run(
            ["sh", "-c", f'"{program.BINARY}" inspect "{STORIES}" --json | head -c 10; '
             'exit 0'], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"core", done.stderr)


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
