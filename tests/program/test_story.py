"""A small model tells its story: the same on every instruction set, thread count and batch."""
import program
from program import ProgramTest, STORIES

GOLDEN = (program.SOURCE / "tests/program/stories260K.greedy256.txt").read_text().rstrip("\n")
GREEDY = ("--temp", "0", "-t", "1")


class Story(ProgramTest):
    def test_the_greedy_text_from_nothing_is_the_golden_one_on_every_instruction_set(self):
        for isa in program.isas():
            with self.subTest(isa=isa):
                done = self.succeed("run", STORIES, "-p", "", "--temp", "0", "-n", 256, isa=isa)
                self.assertEqual(done.text.rstrip("\n"), GOLDEN)

    def test_the_golden_text_is_that_of_the_reference_program(self):
        golden = program.shared("data/weights/golden/stories260K.greedy256.txt")
        self.assertEqual(golden.read_text().rstrip("\n"), GOLDEN)

    def test_the_text_does_not_depend_on_the_number_of_threads(self):
        texts = {self.succeed("run", STORIES, "-p", "", "--temp", "0", "-n", 100, "-t", threads).text
                 for threads in (1, 2, 3)}
        self.assertEqual(len(texts), 1)

    def test_a_prompt_comes_from_an_argument_a_file_or_standard_input(self):
        prompt = "Lily had a"
        path = self.folder / "prompt.txt"
        path.write_text(prompt)
        texts = {self.succeed("run", STORIES, "-p", prompt, *GREEDY, "-n", 20).text,
                 self.succeed("run", STORIES, "-f", path, *GREEDY, "-n", 20).text,
                 self.succeed("run", STORIES, *GREEDY, "-n", 20, stdin=prompt.encode()).text}
        self.assertEqual(len(texts), 1)

    def test_the_same_seed_gives_the_same_story_and_another_seed_another(self):
        def story(seed, threads=1):
            return self.succeed("run", STORIES, "-p", "", "--temp", "1.0", "--seed", seed, "-n", 60,
                                "-t", threads).text
        self.assertEqual(story(1), story(1, threads=2))
        self.assertNotEqual(story(1), story(2))

    def test_a_stop_word_ends_the_story_and_is_not_printed(self):
        done = self.succeed("run", STORIES, "-p", "", *GREEDY, "-n", 256, "--stop", "big")
        self.assertEqual(done.text.rstrip("\n"), GOLDEN[:GOLDEN.index("big")])

    def test_statistics_go_to_stderr_and_leave_the_text_alone(self):
        plain = self.succeed("run", STORIES, "-p", "", *GREEDY, "-n", 40)
        told = self.succeed("run", STORIES, "-p", "", *GREEDY, "-n", 40, "--stats")
        self.assertEqual(plain.out, told.out)
        statistics = told.err.decode()
        for word in ("load", "prompt", "tokens/s", "GB/s", "memory", "hash"):
            self.assertIn(word, statistics)

    def test_a_model_without_a_chat_template_says_once_that_it_continues_the_text(self):
        done = self.succeed("run", STORIES, "-p", "Once", *GREEDY, "-n", 5)
        notes = [line for line in done.err.decode().splitlines() if "chat template" in line]
        self.assertEqual(len(notes), 1, done)

    def test_the_context_is_never_exceeded_silently(self):
        done = program.issun("run", STORIES, "-p", "", *GREEDY, "-n", 200, "-c", 64)
        self.assertIn("context", done.err.decode())

    def test_logits_agree_with_the_reference_program(self):
        for name in ("once", "dog"):
            golden = program.read_floats(
                program.shared(f"data/weights/golden/stories260K.{name}.logits.f32"))
            tokens = program.shared(
                f"data/weights/golden/stories260K.{name}.tokens.txt").read_text().split()
            rows = len(golden) // 512
            for isa in program.isas():
                with self.subTest(name=name, isa=isa):
                    values = self.logits(STORIES, tokens[:rows], "--cache-type", "f32", isa=isa)
                    self.assertEqual(len(values), len(golden))
                    worst = max(abs(a - b) for a, b in zip(values, golden))
                    self.assertLessEqual(worst, 1e-4)


if __name__ == "__main__":
    program.main()
