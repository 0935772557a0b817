"""How good a model is: divergence from a base, tasks of choice, last words and code."""
import json
import math

import program
from program import DEFAULT, ProgramTest, STORIES


class Divergence(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text("Once upon a time, there was a little girl named Lily. She loved to "
                             "play outside in the park with her friends and a big red ball. " * 12)

    def kld(self, model, *more, **options):
        return json.loads(self.succeed("eval", "kld", model, "-f", self.text, "--json", *more,
                                       **options).text)

    def quantised(self, kind):
        path = self.folder / f"{kind}.gguf"
        self.succeed("quantize", STORIES, path, "--type", kind)
        return path

    def test_a_model_diverges_from_itself_by_nothing(self):
        for more in ((), ("--protocol", "halves"), ("-c", 100, "--stride", 33, "-b", 17),
                     ("--exact", "-t", 1), ("--cache-type", "f32", "--base-cache-type", "f32")):
            with self.subTest(more=more):
                report = self.kld(STORIES, "--base", STORIES, *more)
                for name in ("kld_nats", "kld_max", "kld_standard_error", "delta_p_rms",
                             "perplexity_ratio_standard_error"):
                    self.assertEqual(report[name], 0, name)
                self.assertEqual(report["same_top"]["share"], 1)
                self.assertEqual(report["perplexity_ratio"], 1)

    def test_coarser_weights_are_further_away_and_perplexities_are_those_of_perplexity(self):
        far = []
        for kind in ("Q8_0", "Q4_0"):
            model = self.quantised(kind)
            report = self.kld(model, "--base", STORIES, "-c", 128)
            far.append(report["kld_nats"])
            for path, prefix in ((model, ""), (STORIES, "base_")):
                alone = json.loads(self.succeed("eval", "perplexity", path, "-f", self.text, "-c",
                                                128, "--json").text)
                for name in ("perplexity", "perplexity_standard_error"):
                    self.assertAlmostEqual(report[prefix + name], alone[name], places=9)
            self.assertAlmostEqual(report["perplexity_ratio"],
                                   report["perplexity"] / report["base_perplexity"], places=9)
            self.assertEqual(report["tokens_scored"], alone["tokens_scored"])
            ordered = [report[name] for name in ("kld_median", "kld_p90", "kld_p95", "kld_p99",
                                                 "kld_p99_9", "kld_max")]
            self.assertEqual(ordered, sorted(ordered))
        self.assertGreater(far[0], 0)
        self.assertGreater(far[1], 10 * far[0])

    def test_the_divergence_is_that_of_the_logits(self):
        model = self.quantised("Q4_0")
        tokens = json.loads(self.succeed("tokenize", STORIES, "-f", self.text, "--json").text)
        tokens = tokens["tokens"][:40]
        text = self.succeed("detokenize", STORIES, "--tokens", ",".join(map(str, tokens))).out
        self.text.write_bytes(text.rstrip(b"\n"))
        report = self.kld(model, "--base", STORIES, "--cache-type", "f32", "--base-cache-type",
                          "f32")
        tokens = json.loads(self.succeed("tokenize", STORIES, "-f", self.text, "--json").text)
        tokens = tokens["tokens"]
        self.assertEqual(report["tokens_scored"], len(tokens) - 1)

        def log_softmax(row):
            most = max(row)
            total = math.log(math.fsum(math.exp(x - most) for x in row)) + most
            return [x - total for x in row]
        base, other = (self.logits(path, tokens, "--cache-type", "f32")
                       for path in (STORIES, model))
        divergences = []
        for t in range(len(tokens) - 1):
            p, q = (log_softmax(rows[512 * t:512 * (t + 1)]) for rows in (base, other))
            divergences.append(math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q)))
        self.assertAlmostEqual(report["kld_nats"], math.fsum(divergences) / len(divergences),
                               delta=1e-6)
        self.assertAlmostEqual(report["kld_max"], max(divergences), delta=1e-5)

    def test_without_a_base_the_cache_is_judged_or_nothing_is(self):
        report = self.kld(STORIES, "--base-cache-type", "f32")
        self.assertGreater(report["kld_nats"], 0)
        self.assertLess(report["kld_nats"], 1e-3)
        self.assertEqual((report["cache_type"], report["base_cache_type"]), ("f16", "f32"))
        self.assertEqual(report["base"], report["model"])
        self.refuse("eval", "kld", STORIES, "-f", self.text, naming=("--base", "--cache-type"))

    def test_other_vocabularies_are_refused_with_what_differs(self):
        self.refuse("eval", "kld", STORIES, "--base", DEFAULT, "-f", self.text,
                    naming=("vocabulary", "512", "15872"))
        data = STORIES.read_bytes()
        at = data.index(b"there")
        other = self.folder / "other.gguf"
        other.write_bytes(data[:at] + b"thera" + data[at + 5:])  # as long, so that nothing moves
        done = self.refuse("eval", "kld", other, "--base", STORIES, "-f", self.text,
                           naming=("vocabulary", "thera", "there"))
        self.assertRegex(done.err.decode(), r"token \d+")

    def test_wrong_inputs_are_named(self):
        self.refuse("eval", "kld", STORIES, "--base", "no/such.gguf", "-f", self.text,
                    naming=("no/such.gguf",))
        self.refuse("eval", "kld", STORIES, "--base", STORIES, "-f", "no/such.txt",
                    naming=("no/such.txt",))
        self.refuse("eval", "kld", STORIES, "--base", STORIES, status=2)
        self.refuse("eval", "kld", STORIES, "--base", "", "-f", self.text, status=2)
        self.refuse("eval", "kld", STORIES, "--base", STORIES, "-f", self.text, "-c", 64,
                    "--stride", 65, naming=("stride", "65"))
        empty = self.folder / "empty.txt"
        empty.write_text("")
        self.refuse("eval", "kld", STORIES, "--base", STORIES, "-f", empty, naming=("text",))

    def test_it_reads_for_people_too(self):
        text = self.succeed("eval", "kld", STORIES, "--base", self.quantised("Q4_0"), "-f",
                            self.text).text
        for word in ("KLD", "median", "same likeliest token", "ratio", "windows"):
            self.assertIn(word, text)


if __name__ == "__main__":
    program.main()
