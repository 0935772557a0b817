"""quantize without a type: searches for a size and for a damage, recipes, and what is refused."""
import json

import gguf_file
import program
from program import ProgramTest, STORIES

STORY = ("Once upon a time there was a little girl who had a red ball. She played with it in the garden "
         "all day long, and her dog ran after it. One day the ball was gone, and she was sad. ") * 12
TYPES = "F16,Q8_0,Q5_0,Q4_0,Q4_1,IQ4_NL"  # what rows of 64 can have; those of 172 are F16
SEARCH = ("--calibration-tokens", 512, "--types", TYPES, "--json")


class QuantizeAuto(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text(STORY)
        self.out = self.folder / "out.gguf"

    def search(self, *more, out=None):
        return json.loads(self.succeed("quantize", STORIES, out or self.out, "--calibration", self.text,
                                       *SEARCH, *more).text)

    def types(self, path=None):
        return {name: tensor.type for name, tensor in gguf_file.GgufFile(path or self.out).tensors.items()}

    def kld(self, model):
        return json.loads(self.succeed("eval", "kld", model, "--base", STORIES, "-f", self.text, "--exact",
                                       "--cache-type", "f32", "--base-cache-type", "f32", "--json",
                                       "-c", 256, "--stride", 256).text)["kld_nats"]

    def test_a_size_is_kept_and_filled_and_more_of_it_costs_less(self):
        damages = []
        for bits in (7.2, 8, 9.5):
            report = self.search("--budget", f"{bits}bpw")
            self.assertLessEqual(report["bits_per_weight"], bits)
            self.assertGreater(report["bits_per_weight"], bits - 0.3)
            search = report["search"]
            self.assertEqual(search["damage"], "kld_nats")
            self.assertEqual(search["measurements"], len(search["tensors"]) + 1)
            predicted = sum(t["predicted_damage"] for t in search["tensors"])
            self.assertAlmostEqual(predicted, search["predicted_damage"], delta=1e-9)
            damages.append(search["measured_kld"])
            self.succeed("verify", self.out)
        self.assertEqual(damages, sorted(damages, reverse=True))
        size = self.out.stat().st_size - 20000
        self.search("--budget", f"{size / 1000}kB")
        self.assertLessEqual(self.out.stat().st_size, size)
        self.assertGreater(self.out.stat().st_size, size - 20000)

    def test_the_damage_told_is_that_of_the_file_and_less_than_one_type_has(self):
        report = self.search("--budget", "7.4bpw")
        # Some windows of the text against all of it.
        self.assertAlmostEqual(self.kld(self.out) / report["search"]["measured_kld"], 1, delta=0.25)
        flat = self.folder / "flat.gguf"
        plain = json.loads(self.succeed("quantize", STORIES, flat, "--type", "Q4_0", "--json").text)
        budget = plain["bytes"] + 0.5
        self.search("--budget", f"{8 * budget / plain['weights']}bpw")
        self.assertLess(self.kld(self.out), self.kld(flat))

    def test_a_damage_is_kept_and_a_smaller_one_takes_more_bytes(self):
        sizes = []
        for goal in (0.05, 0.01):
            report = self.search("--target-kld", goal)
            self.assertLessEqual(report["search"]["measured_kld"], goal)
            self.assertGreater(report["search"]["measured_kld"], goal / 3)
            sizes.append(report["bytes"])
        self.assertLess(sizes[0], sizes[1])
        self.refuse("quantize", STORIES, self.out, "--target-kld", 1e-8, "--calibration", self.text,
                    "--types", "Q4_0,Q4_1", "--calibration-tokens", 256, naming=("1e-08", "at the least"))

    def test_threads_do_not_change_the_choice_and_probes_are_read_again(self):
        probes = self.folder / "probes"
        first = self.search("--budget", "7.7bpw", "-t", 1, "--probes", probes, "--refine", 6)
        kept = self.out.read_bytes()
        again = self.search("--budget", "7.7bpw", "-t", 3, "--refine", 6)
        self.assertEqual(self.out.read_bytes(), kept)
        self.assertEqual(again["search"], first["search"])
        third = self.search("--budget", "7.7bpw", "--probes", probes, "--refine", 6)
        self.assertEqual(third["search"]["tensors"], first["search"]["tensors"])
        self.assertEqual(first["search"]["measurements"] - third["search"]["measurements"],
                         len(first["search"]["tensors"]))
        plain = self.search("--budget", "7.7bpw", "--probes", probes)
        self.assertLessEqual(first["search"]["measured_kld"], plain["search"]["measured_kld"])
        self.text.write_text(STORY + "Another text.")
        self.refuse("quantize", STORIES, self.out, "--budget", "5bpw", "--calibration", self.text,
                    "--probes", probes, "--types", TYPES, naming=("found others",))

    def test_without_a_text_damage_is_estimated_and_the_report_says_so(self):
        arguments = ("quantize", STORIES, self.out, "--budget", "7.5bpw", "--types", TYPES)
        done = self.succeed(*arguments)
        self.assertIn("estimated", done.text)
        report = json.loads(self.succeed(*arguments, "--json").text)
        self.assertEqual(report["search"]["damage"], "estimated_relative_error")
        self.assertNotIn("measured_kld", report["search"])
        self.assertEqual(report["search"]["measurements"], 0)
        self.assertLessEqual(report["bits_per_weight"], 7.5)

    def test_rules_are_kept_and_a_recipe_makes_the_same_file(self):
        recipe = self.folder / "recipe.txt"
        self.search("--budget", "8bpw", "--tensor", "blk.0.attn_q.weight=Q4_1", "--tensor",
                    "attn_v=Q8_0", "--save-recipe", recipe)
        types = self.types()
        self.assertEqual({types[f"blk.{l}.attn_v.weight"] for l in range(5)}, {"Q8_0"})
        lines = dict(line.split() for line in recipe.read_text().splitlines() if not line.startswith("#"))
        self.assertEqual(lines["blk.0.attn_q.weight"], "Q4_1")
        self.assertEqual(len(lines), 37)
        again = self.folder / "again.gguf"
        self.succeed("quantize", STORIES, again, "--recipe", recipe)
        self.assertEqual(again.read_bytes(), self.out.read_bytes())
        recipe.write_text("# few\nattn_q Q5_0\n")
        self.succeed("quantize", STORIES, again, "--type", "Q8_0", "--recipe", recipe)
        types = self.types(again)
        self.assertEqual(types["blk.3.attn_q.weight"], self.types(again)["blk.0.attn_q.weight"])
        self.assertEqual(types["blk.3.attn_k.weight"], "Q8_0")

    def test_what_makes_no_sense_is_refused(self):
        for arguments in ((), ("--type", "Q8_0", "--budget", "5bpw"), ("--type", "Q8_0", "--types", "Q8_0"),
                          ("--budget", "5bpw", "--target-kld", 1), ("--target-kld", 1),
                          ("--budget", "5bpw", "--refine", 3),
                          ("--type", "Q8_0", "--calibration", self.text)):
            with self.subTest(arguments=arguments):
                self.refuse("quantize", STORIES, self.out, *arguments, status=2)
        for arguments, naming in ((("--budget", "5"), "at least"), (("--budget", "5 parsecs"), "parsecs"),
                                  (("--budget", "-1MB"), "-1MB"), (("--budget", "1bpw"), "at least"),
                                  (("--budget", "5bpw", "--types", "Q9"), "Q9"),
                                  (("--budget", "5bpw", "--types", "Q2_K"), "none to choose"),
                                  (("--budget", "5bpw", "--calibration", self.folder / "no.txt"), "no.txt"),
                                  (("--recipe", self.text), "line 1")):
            with self.subTest(arguments=arguments):
                self.refuse("quantize", STORIES, self.out, *arguments, naming=(naming,))
        self.text.write_text("short")
        self.refuse("quantize", STORIES, self.out, "--budget", "5bpw", "--calibration", self.text,
                    naming=("256 tokens",))
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    program.main()
