"""`issun experts`: what caches of experts would have done with a recorded trace."""
import json
import os
import random
import unittest

import program
from program import ProgramTest
from serving import serving

POLICIES = ("lru", "lfu", "lfru", "s3fifo", "static", "belady")


def made_up_trace(layers=2, experts=16, used=2, batches=300):
    """Lines of a trace whose experts are unevenly liked; every 50th batch is a prompt."""
    rng = random.Random(4)
    yield {"issun": "routing trace", "version": 1, "model": "made up", "layers": list(range(layers)),
           "experts": experts, "used": used, "expert_bytes": [1000000] * layers}
    for b in range(batches):
        rows = 6 if b % 50 == 0 else 1
        yield {"phase": "prompt" if rows > 1 else "generate", "rows": rows,
               "experts": [[sorted(range(experts), key=lambda e: rng.random() * (1 + e))[:used]
                            for _ in range(rows)] for _ in range(layers)],
               "guesses": [[]] + [[rng.sample(range(experts), 4)] for _ in range(layers - 1)]}


class Experts(ProgramTest):
    def setUp(self):
        super().setUp()
        self.trace = self.folder / "trace.jsonl"
        self.trace.write_text("".join(json.dumps(line) + "\n" for line in made_up_trace()))

    def replay(self, *flags):
        return json.loads(self.succeed("experts", "replay", self.trace, "--json", *flags).text)

    def test_every_policy_is_held_against_the_optimum_for_every_budget(self):
        report = self.replay()
        self.assertEqual(len(report["runs"]), 4 * len(POLICIES))
        for run in report["runs"]:
            with self.subTest(policy=run["policy"], memory=run["memory"]):
                self.assertLessEqual(run["of_belady"], 1)
                self.assertEqual(run["hits"], sum(l["hits"] for l in run["layers"]))
                self.assertLessEqual(sum(l["slots"] for l in run["layers"]) * 1000000,
                                     run["memory_bytes"])
        self.assertEqual(report["guesses"][0]["distance"], 1)
        text = self.succeed("experts", "replay", self.trace).text
        for word in POLICIES + ("12.5%", "75%", "read for a token", "guessed ahead by"):
            self.assertIn(word, text)

    def test_prompts_count_when_asked_for(self):
        run = ("--slots", 4, "--policy", "lru")
        self.assertEqual(self.replay(*run)["runs"][0]["tokens"], 294)
        self.assertEqual(self.replay(*run, "--count", "all")["runs"][0]["tokens"], 330)

    def test_division_by_gain_keeps_to_the_budget(self):
        for run in self.replay("--memory", "10MB", "--division", "gain")["runs"]:
            self.assertLessEqual(sum(l["slots"] for l in run["layers"]), 10)

    def test_layers_and_a_picture_are_for_one_budget(self):
        picture = self.folder / "trace.svg"
        text = self.succeed("experts", "replay", self.trace, "--memory", "25%", "--per-layer",
                            "--picture", picture).text
        self.assertRegex(text, r"layer +slots")
        self.assertTrue(picture.read_text().startswith("<svg"))
        for flags in (("--per-layer",), ("--picture", picture), ("--slots", 2, "--memory", "5%")):
            with self.subTest(flags=flags):
                self.refuse("experts", "replay", self.trace, *flags, status=2)

    def test_wrong_words_and_files_are_named(self):
        self.refuse("experts", "replay", self.trace, "--memory", "7x", naming=("7x", "25%"))
        self.refuse("experts", "replay", self.trace, "--policy", "fifo", naming=("fifo", "lfru"))
        self.trace.write_text(self.trace.read_text() + "{}\n")
        self.refuse("experts", "replay", self.trace, naming=("line 302", "phase"))


MIXTURE = program.SOURCE / "models" / "issun-moe-38m.gguf"
DENSE = program.SOURCE / "models" / "issun-27m.gguf"
SMALL = ("-c", 256, "-b", 32, "-t", 2)


class LargerThanMemory(ProgramTest):
    """Weights that come and go say what weights in memory say."""

    def budget(self, model, share):
        """Bytes in which about this share of the weights has room, whatever the program takes itself."""
        plan = json.loads(self.succeed("inspect", model, "--json", *SMALL).text)["memory"]
        self.assertIsNone(plan["streaming"])
        reserve = 4_700_000  # that issun leaves for what no plan knows
        if os.environ.get("ISSUN_SANITIZE"):
            reserve += 1_500_000  # what a sanitizer takes counts as the program's and varies by a megabyte
        return plan["total_bytes"] + reserve - round((1 - share) * plan["weights_bytes"])

    def answer(self, model, *flags):
        return json.loads(self.succeed("run", model, "-p", "Once upon a time", "-n", 24, "--temp", 0,
                                       "--json", *SMALL, *flags).text)

    def test_the_bits_are_the_same_for_every_policy_and_layout(self):
        packed = self.folder / "packed.gguf"
        self.succeed("pack", MIXTURE, packed)
        for model in (MIXTURE, packed, DENSE):
            expected = self.answer(model, "--memory", "mapped")
            self.assertNotIn("streamed", expected)
            for flags in ((), ("--io-threads", 1)) + (() if model == DENSE else (
                    ("--expert-policy", "lru"), ("--expert-policy", "s3fifo", "--expert-guesses", 0),
                    ("--expert-policy", "lfu", "--expert-guesses", 3, "--expert-lookahead", 2))):
                with self.subTest(model=model.name, flags=flags):
                    got = self.answer(model, "--memory", self.budget(model, 0.6), *flags)
                    self.assertEqual(got["logits_hash"], expected["logits_hash"])
                    self.assertEqual(got["text"], expected["text"])
                    self.assertGreater(got["streamed"]["bytes_read"], 0)

    @unittest.skipIf(os.environ.get("ISSUN_SANITIZE"), "what a sanitizer takes counts as the program's and varies")
    def test_weights_stay_mapped_until_the_cache_has_grown(self):
        room = ("-c", 1024, "--cache-type", "f32", "-b", 64, "-t", 2)
        plan = json.loads(self.succeed("inspect", DENSE, "--json", *room).text)["memory"]
        limit = plan["total_bytes"] + 4_700_000 - 6_000_000  # of 16.8 MB of cache, 10.8 have room
        limited = json.loads(self.succeed("inspect", DENSE, "--json", *room, "--memory", limit).text)
        mapped = limited["memory"]["streaming"]["mapped_cache_bytes"]
        self.assertLess(abs(mapped - 10_800_000), 2_000_000)
        for words, streams in ((20, False), (700, True)):
            with self.subTest(words=words):
                ask = ("run", DENSE, "--raw", "-p", "boat and " * (words // 2), "-n", 8, "--temp", 0, "--json", *room)
                got = self.succeed(*ask, "--memory", limit)
                expected = json.loads(self.succeed(*ask, "--memory", "mapped").text)
                self.assertIn(b"stay mapped until more than", got.err)
                got = json.loads(got.text)
                self.assertEqual("streamed" in got, streams)
                self.assertEqual(got["logits_hash"], expected["logits_hash"])
                self.assertEqual(got["text"], expected["text"])

    @unittest.skipIf(os.environ.get("ISSUN_SANITIZE"), "what a sanitizer takes counts as the program's and varies")
    def test_a_twin_stands_in_for_what_is_missing(self):
        twin = self.folder / "twin.gguf"
        self.succeed("quantize", MIXTURE, twin, "--type", "Q2_K", "--allow-requantize")
        expected = self.answer(MIXTURE, "--memory", "mapped")
        # The program's own part varies by a megabyte, and 3 MB more or less leave too little or too much.
        got = self.answer(MIXTURE, "--memory", self.budget(MIXTURE, 0.98), "--expert-missing", "twin",
                          "--expert-twin", twin)
        self.assertNotEqual(got["logits_hash"], expected["logits_hash"])
        self.assertEqual(got["streamed"]["missed"], 0)
        self.assertTrue(got["text"])

    @unittest.skipIf(os.environ.get("ISSUN_SANITIZE"), "what a sanitizer takes counts as the program's and varies")
    def test_a_trace_divides_the_memory_and_the_report_compares(self):
        trace, text = self.folder / "trace.jsonl", self.folder / "text.txt"
        text.write_text("The old man went to the river and looked for his boat. " * 12)
        read = ("-f", text, "--n-prompt", 32, "-n", 16)
        said = self.succeed("experts", "trace", MIXTURE, *read, *SMALL, "-o", trace).text
        self.assertRegex(said, "guessed 1 layer ahead")
        runs = json.loads(self.succeed("experts", "replay", trace, "--json").text)["runs"]
        self.assertEqual(len(runs), 4 * len(POLICIES))
        budget = self.budget(MIXTURE, 0.6)
        self.answer(MIXTURE, "--memory", budget, "--expert-trace", trace)
        lines = self.succeed("experts", "report", MIXTURE, *read, *SMALL, "--memory", budget, "--json",
                             "--arms", "mapped,full,no-prefetch,no-cache,neither,skip").text
        arms = {arm["arm"]: arm for arm in map(json.loads, lines.splitlines())}
        for name in ("full", "no-prefetch", "no-cache", "neither"):
            self.assertTrue(arms[name]["same_bits"], name)
            self.assertEqual(arms[name]["mean_divergence"], 0)
        self.assertEqual(arms["neither"]["found"], 0)
        self.assertGreater(arms["no-prefetch"]["found"], 0.2)
        self.assertGreater(arms["full"]["expected"] + arms["full"]["found"],
                           arms["no-prefetch"]["found"])
        self.assertGreaterEqual(arms["skip"]["mean_divergence"], 0)

    def test_wrong_flags_are_refused_by_name(self):
        run = ("run", MIXTURE, "-p", "x", "-n", 1, *SMALL)
        self.refuse(*run, "--memory", "4XB", naming=("--memory", "4XB"))
        self.refuse(*run, "--memory", "3MB", naming=("at least", "3.0 MB"))
        self.refuse(*run, "--expert-policy", "lru", naming=("--expert-policy", "--memory"))
        self.refuse(*run, "--memory", "mapped", "--expert-guesses", 1, naming=("--expert-guesses",))
        budget = self.budget(MIXTURE, 0.6)
        self.refuse(*run, "--memory", budget, "--expert-twin", MIXTURE, naming=("--expert-twin", "twin"))
        self.refuse(*run, "--memory", budget, "--expert-missing", "twin", naming=("--expert-twin",))
        self.refuse(*run, "--memory", budget, "--expert-missing", "twin", "--expert-twin", DENSE,
                    naming=("twin", "another model"))
        self.refuse("run", "-p", "x", "-n", 1, *SMALL, "--memory", "2MB", naming=("file of its own",))

    def test_a_file_that_is_cut_while_it_is_served_is_told_and_the_server_stays(self):
        model = self.folder / "model.gguf"
        model.write_bytes(MIXTURE.read_bytes())
        question = {"prompt": "Once upon a time", "max_tokens": 12, "temperature": 0}
        with serving(model, *SMALL, "--memory", self.budget(model, 0.6)) as server:
            good = server.ask("/v1/completions", question)
            self.assertEqual(good.status, 200, good.body)
            with open(model, "r+b") as file:
                file.truncate(MIXTURE.stat().st_size // 2)
            bad = server.ask("/v1/completions", {**question, "prompt": "The sea was very far away"})
            self.assertEqual(bad.status, 503, bad.body)
            self.assertIn("changed while it was in use", bad.json["error"]["message"])
            self.assertEqual(server.ask("/health").status, 200)


if __name__ == "__main__":
    program.main()
