"""quantize --method: each way to codes, what it is better at, what it leaves, and what is refused."""
import json

import gguf_file
import program
from program import STORIES, ProgramTest

TOKENS = [1, 403, 407, 261, 378, 432, 409, 267, 337, 400, 411, 263]
TYPES = ("Q2_K", "Q3_K_S", "Q4_K_S", "IQ4_XS", "IQ3_S")  # the others: unit.quantize


class QuantizeMethods(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out.gguf"
        self.text = self.folder / "text.txt"
        self.story = (program.SOURCE / "tests" / "program" / "stories260K.greedy256.txt").read_text()
        self.text.write_text(6 * (self.story + "\n"))

    def quantize(self, model, kind, method, *more):
        if method in ("gptq", "awq"):
            more = ("--calibration", self.text, *more)
        done = self.succeed("quantize", model, self.out, "--type", kind, "--method", method, "--json", *more)
        self.succeed("verify", self.out)
        return json.loads(done.text), done.err.decode()

    def distance(self, model, most=512):
        """From the logits of the model as it was, which has so many tokens."""
        tokens = [token % most for token in TOKENS]
        return program.nmse(self.logits(self.out, tokens, "--exact"), self.logits(model, tokens, "--exact"))

    def test_feedback_loses_less_of_a_real_model(self):
        self.quantize(STORIES, "Q4_0", "search", "--allow-requantize")
        searched = self.distance(STORIES)
        report, _ = self.quantize(STORIES, "Q4_0", "gptq", "--allow-requantize")
        told = [t for t in report["tensors"] if "output_error" in t]
        self.assertEqual({t["name"].split(".")[2] for t in told},
                         {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up"})
        for tensor in told:
            self.assertLess(tensor["output_error"], tensor["search_output_error"], tensor["name"])
        self.assertLess(sum(t["output_error"] for t in told), 0.8 * sum(t["search_output_error"] for t in told))
        self.assertLess(self.distance(STORIES), searched)

    def test_feedback_writes_every_type_and_the_same_bytes_on_any_number_of_threads(self):
        model = self.folder / "model.gguf"
        self.succeed("synth", "tiny", "F16", model)
        for kind in TYPES:
            with self.subTest(type=kind):
                report, _ = self.quantize(model, kind, "gptq", "-t", 2)
                told = [t for t in report["tensors"] if "output_error" in t]
                self.assertGreater(len(told), 10)
                for tensor in told:
                    self.assertLessEqual(tensor["output_error"], tensor["search_output_error"])
                self.assertLess(sum(t["output_error"] for t in told),
                                0.95 * sum(t["search_output_error"] for t in told))
                self.assertLess(self.distance(model), 1.5)
        self.quantize(model, "IQ4_XS", "gptq", "-t", 1)
        alone = self.out.read_bytes()
        self.quantize(model, "IQ4_XS", "gptq", "-t", 3)
        self.assertEqual(self.out.read_bytes(), alone)

    def test_stretched_columns_change_nothing_but_the_rounding(self):
        report, said = self.quantize(STORIES, "F32", "awq", "--allow-requantize")
        self.assertLess(self.distance(STORIES), 1e-9)
        self.assertIn("attn_output", said)  # heads share values
        report, _ = self.quantize(STORIES, "Q4_0", "awq", "--allow-requantize")
        told = [t for t in report["tensors"] if "stretched_by" in t]
        self.assertGreater(len(told), 10)
        self.assertGreater(max(t["stretched_by"] for t in told), 0)
        before, after = gguf_file.GgufFile(STORIES), gguf_file.GgufFile(self.out)
        self.assertNotEqual(before.tensors["blk.0.attn_norm.weight"].data,
                            after.tensors["blk.0.attn_norm.weight"].data)
        # Matrices that read the same rows are stretched for all of them together.
        self.assertLess(sum(t["output_error"] for t in told), sum(t["search_output_error"] for t in told))

    def test_plain_rounding_loses_more_than_the_search(self):
        for kind in ("Q4_0", "Q8_0"):
            errors = []
            for method in ("rtn", "search"):
                report, _ = self.quantize(STORIES, kind, method, "--allow-requantize")
                errors.append(sum(t["relative_rmse"] for t in report["tensors"]))
            self.assertGreater(errors[0], errors[1])

    def test_zero_points_move_in_formats_that_have_them(self):
        report, said = self.quantize(STORIES, "Q4_1", "hqq", "--allow-requantize")
        self.assertIn("left to the search", said)  # the output matrix
        self.assertLess(self.distance(STORIES), 0.05)
        self.quantize(STORIES, "Q4_1", "search", "--allow-requantize")
        for kind in ("Q4_0", "Q3_K_S", "IQ4_XS"):
            self.refuse("quantize", STORIES, self.out, "--type", kind, "--method", "hqq",
                        "--allow-requantize", naming=("hqq", "zero point"))

    def test_importance_comes_from_the_text_itself(self):
        report, _ = self.quantize(STORIES, "Q4_0", "search", "--allow-requantize", "--calibration", self.text)
        for tensor in report["tensors"]:
            self.assertEqual(tensor.get("output_error"), tensor.get("search_output_error"))
        self.assertTrue(any("output_error" in t for t in report["tensors"]))

    def test_experts_that_met_few_rows_are_searched_and_named(self):
        source = program.shared("conformance/arch/mixtral.gguf")
        self.text.write_text(2 * self.story)
        report, said = self.quantize(source, "Q4_0", "gptq", "--allow-requantize")
        self.assertIn("blk.0.ffn_down_exps.weight: 1 of 8 experts met fewer rows", said)
        experts = [t for t in report["tensors"] if "_exps" in t["name"]]
        self.assertEqual(len(experts), 6)
        for tensor in experts:
            self.assertLess(tensor["output_error"], 0.7 * tensor["search_output_error"])
        self.assertLess(self.distance(source, 320), 1)  # routes of random weights flip

    def test_what_does_not_go_together_is_refused(self):
        def refuse(*more, naming, status=1):
            self.refuse("quantize", STORIES, self.out, "--allow-requantize", *more, naming=naming, status=status)

        refuse("--type", "Q4_0", "--method", "best", status=2, naming=("best",))
        refuse("--type", "Q4_0", "--method", "gptq", naming=("--calibration", "gptq"))
        refuse("--type", "Q4_0", "--method", "awq", naming=("--calibration", "awq"))
        for method in ("rtn", "hqq"):
            refuse("--type", "Q4_1", "--method", "hqq", "--calibration", self.text, naming=("--calibration",))
            refuse("--type", "Q4_0", "--method", method, "--imatrix", self.text, naming=("--imatrix", method))
        refuse("--type", "IQ4_XS", "--method", "rtn", naming=("IQ4_XS", "rtn"))
        refuse("--type", "Q1_0", "--method", "gptq", "--calibration", self.text, naming=("Q1_0", "gptq"))
        short = self.folder / "short.txt"
        short.write_text("Once")
        refuse("--type", "Q4_0", "--method", "gptq", "--calibration", short, naming=("calibration", "tokens"))
        refuse("--type", "Q4_0", "--method", "gptq", "--calibration", "no/such.txt", naming=("no/such.txt",))
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    program.main()
