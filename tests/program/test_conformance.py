"""Logits of the program against those of the most used engine, for every case that has some."""
import json
import math
import os

import gguf_file
import program
from program import ProgramTest

EXACT = ("--exact", "--cache-type", "f32")
# The prompt as a whole on all cores, in pieces that do and do not divide it, and one token after
# the other.
WHOLE = ("--batch", 512)
BATCHES = (WHOLE, ("--batch", 32, "-t", 1), ("--batch", 7, "-t", 1), ("--batch", 1, "-t", 1))


def shapes():
    """(instruction set, batch shape): all of them. Where a sanitizer makes each run ten times
    slower, the shapes are shared out over the instruction sets: each runs, and each pair ran
    without the sanitizer."""
    isas = program.isas()
    if os.environ.get("ISSUN_SANITIZE"):
        return [(isa, BATCHES[2 - i % 2]) for i, isa in enumerate(isas)]
    return [(isa, batch) for isa in isas for batch in BATCHES]


def rows_of(values, columns):
    return [values[i:i + columns] for i in range(0, len(values), columns)]


class Conformance(ProgramTest):
    def cases(self):
        """(case, model, golden outputs) of the decoders."""
        folder = program.shared("conformance/arch")
        cases = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        found = [(case, folder / case["file"], case["outputs"]) for case in cases
                 if case["kind"] == "decoder"]
        self.assertGreaterEqual(len(found), 42)
        return found

    def fed_logits(self, model, tokens, output, *flags, isa):
        """Rows of logits, computed in a context of the length that the output is for."""
        values = self.logits(model, tokens, "--ctx-size", output["n_ctx"], *flags, isa=isa)
        return rows_of(values, output["cols"])

    def check_prompt(self, rows, case, output, golden, tolerance):
        """The rows of the prompt, which come first."""
        values = [value for row in rows[:output["rows"]] for value in row]
        self.assertLessEqual(program.nmse(values, golden), case["tolerance"][tolerance]["nmse"])

    def test_logits_and_greedy_ids_meet_the_golden_ones_in_every_batch_shape(self):
        # Fed with the golden ids after the prompt, each row must have the next golden id as its
        # best token: the same as generating them one after the other. With F32 throughout all are
        # equal. With rounded activations an id may differ only where F32 has both closer together
        # than three standard deviations of what the loose tolerance lets their difference move.
        for case, model, outputs in self.cases():
            main = outputs["main"]
            golden = program.read_floats(model.parent / main["ref"])
            ids = main["greedy_ref"][:main["greedy_agree"]]
            fed = case["tokens"] + ids[:-1]
            mean_square = sum(value * value for value in golden) / len(golden)
            movable = 3 * math.sqrt(2 * case["tolerance"]["loose"]["nmse"] * mean_square)
            for isa, batch in shapes():
                with self.subTest(case=case["name"], isa=isa, batch=batch):
                    exact = self.fed_logits(model, fed, main, *EXACT, *batch, isa=isa)
                    self.check_prompt(exact, case, main, golden, "strict")
                    for r in main["argmax_clear"]:
                        self.assertEqual(program.argmax(exact[r]), main["argmax_ref"][r])
                    self.assertEqual([program.argmax(row) for row in exact[-len(ids):]], ids)

                    fast = self.fed_logits(model, fed, main, *batch, isa=isa)
                    self.check_prompt(fast, case, main, golden, "loose")
                    for row, true, wanted in zip(fast[-len(ids):], exact[-len(ids):], ids):
                        self.assertLessEqual(true[wanted] - true[program.argmax(row)], movable)

    def test_a_shorter_context_chooses_the_other_frequencies(self):
        for case, model, outputs in self.cases():
            for name, output in outputs.items():
                if name == "main":
                    continue
                golden = program.read_floats(model.parent / output["ref"])
                with self.subTest(case=case["name"], output=name):
                    rows = self.fed_logits(model, case["tokens"], output, *EXACT, *WHOLE, isa=None)
                    self.check_prompt(rows, case, output, golden, "strict")

    def test_a_model_with_weights_that_cannot_be_computed_is_refused_by_the_type(self):
        # The matrix comes out shorter than it was, which nobody reads.
        model = gguf_file.GgufFile(program.shared("conformance/arch/llama2.gguf"))
        changed = "blk.0.ffn_up.weight"
        tensors = []
        for name, tensor in model.tensors.items():
            kind, data = tensor.type, tensor.data
            if name == changed:
                kind, data = "I8", data[:math.prod(tensor.shape)]
            tensors.append((name, list(reversed(tensor.shape)), kind, data))
        path = self.folder / "integers.gguf"
        gguf_file.write_gguf(path, model.key_count, model.key_bytes, tensors)
        self.refuse("logits", path, "--tokens", "1,2", "--out", self.folder / "out.f32",
                    naming=(changed, "I8"))


if __name__ == "__main__":
    program.main()
