"""Answers with guesses: the same bits as without, from the text itself and from a smaller model."""
import json
import unittest

import program
from program import DEFAULT, ProgramTest, SHARED, STORIES
from serving import serving

REPEAT = ("Repeat this text: The lantern hung over the old wooden door. The lantern hung over the old "
          "wooden gate. The lantern hung over the old wooden table.")
STORY = "Once upon a time, there was a little girl named Lily. She loved to play. Once upon a time,"
NGRAM = ("--speculate", "ngram", "--ngram-min", 1, "--draft-adapt", "off")


class Answers(ProgramTest):
    def both(self, *arguments, guessing=NGRAM, **options):
        """The statistics with guesses, after comparing with the answer without."""
        plain = json.loads(self.succeed("run", *arguments, "--json", **options).text)
        guessed = json.loads(self.succeed("run", *arguments, "--json", *guessing, **options).text)
        for key in ("text", "finish", "generated_tokens", "logits_hash"):
            self.assertEqual(guessed[key], plain[key], f"{arguments}: {key}")
        self.assertEqual(guessed.get("probabilities"), plain.get("probabilities"))
        self.assertNotIn("drafted_tokens", plain)
        return guessed

    def test_the_text_as_a_source_of_guesses_changes_no_bit(self):
        accepted = 0
        for more in (("--temp", 0), ("--temp", 0, "--exact"), ("--temp", 0.8, "--seed", 5),
                     ("--temp", 1.2, "--seed", 6, "--repeat-penalty", 1.3),
                     ("--temp", 0, "--cache-type", "q8_0"), ("--temp", 0, "--n-probs", 2),
                     ("--temp", 0, "-t", 1), ("--temp", 0, "-b", 3)):
            with self.subTest(more=more):
                accepted += self.both(DEFAULT, "-p", REPEAT, "-n", 60, *more).get("accepted_tokens", 0)
        for guessing in (("--speculate", "ngram"), (*NGRAM, "--draft-max", 2)):
            with self.subTest(guessing=guessing):
                self.both(DEFAULT, "-p", REPEAT, "-n", 60, "--temp", 0, guessing=guessing)
        self.assertGreater(accepted, 40)

    def test_every_instruction_set_agrees_with_itself(self):
        for isa in program.isas():
            with self.subTest(isa=isa):
                self.both(STORIES, "-p", STORY, "-n", 120, "--temp", 0, isa=isa)

    def test_a_grammar_and_a_stop_text_hold(self):
        self.both(DEFAULT, "-p", REPEAT, "-n", 60, "--temp", 0, "--stop", "old")
        self.both(DEFAULT, "-p", REPEAT, "-n", 60, "--temp", 0, "--grammar",
                  'root ::= ("The lantern " [a-z ]+ ". ")+')

    def test_a_model_that_guesses_for_itself_is_always_right(self):
        draft = ("-md", STORIES, "--draft-p-min", 0, "--draft-adapt", "off")
        found = self.both(STORIES, "-p", STORY, "-n", 100, "--temp", 0, guessing=draft)
        self.assertEqual(found["accepted_tokens"], found["drafted_tokens"])
        self.assertGreater(found["tokens_a_step"], 4)
        found = self.both(STORIES, "-p", STORY, "-n", 100, "--temp", 1, "--seed", 3, guessing=draft)
        self.assertGreater(found["drafted_tokens"], found["accepted_tokens"])
        self.assertGreater(found["accepted_tokens"], 10)

    def test_more_guesses_than_are_computed_alike_are_said_to_be_so(self):
        done = self.succeed("run", DEFAULT, "-p", REPEAT, "-n", 20, "--temp", 0, *NGRAM, "--draft-max",
                            16)
        self.assertIn(b"--draft-max 16", done.err)
        self.assertNotIn(b"note", self.succeed("run", DEFAULT, "-p", REPEAT, "-n", 5, *NGRAM).err)


class Refusals(ProgramTest):
    def test_flags_that_would_count_for_nothing(self):
        for arguments in (("--draft-max", 4), ("--draft-min", 1), ("--draft-adapt", "off"),
                          ("--ngram-min", 2), ("--draft", STORIES, "--ngram-max", 2),
                          ("--speculate", "ngram", "--draft-p-min", 0.1),
                          ("--speculate", "ngram", "--draft-max", 2, "--draft-min", 3),
                          ("--speculate", "ngram", "--ngram-min", 5, "--ngram-max", 4),
                          ("--speculate", "ngram", "--draft", STORIES), ("--speculate", "magic"),
                          ("--draft-max", 0), ("--draft", "")):
            with self.subTest(arguments=arguments):
                for command in ("run", "serve"):
                    self.refuse(command, STORIES, *arguments, status=2)

    def test_models_that_cannot(self):
        self.refuse("run", DEFAULT, "-p", "a", "--draft", STORIES, naming=("vocabulary", "512"))
        self.refuse("run", DEFAULT, "-p", "a", "--draft", "no/such.gguf", naming=("no/such.gguf",))
        self.refuse("run", STORIES, "-p", "a", "--draft", STORIES, "--memory", "1GB",
                    naming=("--draft", "--memory"))
        self.refuse("serve", program.SOURCE / "models" / "issun-embed.gguf", "--speculate", "ngram",
                    naming=("--speculate",))

    @unittest.skipUnless((SHARED / "conformance" / "arch" / "lfm2.gguf").exists(),
                         "no conformance data")
    def test_recurrent_layers_are_named(self):
        self.refuse("run", SHARED / "conformance" / "arch" / "lfm2.gguf", "--raw", "-p", "a",
                    "--speculate", "ngram", naming=("lfm2", "recurrent"))


class Serving(ProgramTest):
    def test_clients_get_the_same_and_are_told(self):
        question = {"messages": [{"role": "user", "content": REPEAT}], "temperature": 0,
                    "max_tokens": 60, "logprobs": True, "top_logprobs": 2}
        with serving(DEFAULT, "--ctx-size", 512) as server:
            plain = server.ask("/v1/chat/completions", question).json
            self.assertNotIn("draft_n", plain["timings"])
        with serving(DEFAULT, "--ctx-size", 512, *NGRAM) as server:
            guessed = server.ask("/v1/chat/completions", question).json
            self.assertEqual(guessed["choices"], plain["choices"])
            timings = guessed["timings"]
            self.assertGreater(timings["draft_n"], 0)
            self.assertGreater(timings["draft_n_accepted"], 0)
            events = server.events("/v1/chat/completions", dict(question, stream=True))
            said = "".join(choice["delta"].get("content") or ""
                           for event in events[:-1] for choice in event["choices"])
            self.assertEqual(said, plain["choices"][0]["message"]["content"])
            metrics = server.ask("/metrics").body.decode()
            self.assertIn(f"issun_draft_tokens_total {2 * timings['draft_n']}\n", metrics)
            self.assertIn(f"issun_draft_tokens_accepted_total {2 * timings['draft_n_accepted']}\n",
                          metrics)


class Bench(ProgramTest):
    def test_speculation_is_measured_in_turn(self):
        prompts = self.folder / "prompts.jsonl"
        prompts.write_text(json.dumps({"category": "a", "turns": [REPEAT, "no"]}) + "\n" +
                           json.dumps({"category": "b", "prompt": "What is a lantern?"}) + "\n")
        arguments = ("bench", "speculation", DEFAULT, "-f", prompts, "-n", 24, "-r", 2, "--repetitions",
                     2, *NGRAM)
        found = json.loads(self.succeed(*arguments, "--json").text)
        self.assertEqual([row["rows"] for row in found["rows"]][:4], [1, 2, 3, 4])
        self.assertEqual([times["category"] for times in found["speculation"]], ["a", "b", "all"])
        total = found["speculation"][-1]
        self.assertEqual((total["prompts"], total["same_answers"]), (2, 2))
        self.assertEqual(len(total["seconds_with"]), 2)
        self.assertGreater(total["accepted_tokens"], 0)
        self.assertIn("tokens a step", self.succeed(*arguments).text)
        self.assertIn("beside one row",
                      self.succeed("bench", "speculation", STORIES, "--repetitions", 1).text)

    def test_wrong_use(self):
        prompts = self.folder / "prompts.txt"
        prompts.write_text('{"id": 3}\n')
        self.refuse("bench", "speculation", STORIES, "-f", prompts, status=2)
        self.refuse("bench", "speculation", STORIES, *NGRAM, status=2)
        self.refuse("bench", "speculation", STORIES, *NGRAM, "-f", prompts, naming=("line 1", "turns"))
        self.refuse("bench", "-n", 3, "speculation", STORIES, status=2)


if __name__ == "__main__":
    program.main()
