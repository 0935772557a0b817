"""Logits of the program against those of the most used engine, for every case whose
architecture and weights can be computed here."""
import json
import math

import program
from program import ProgramTest

# How the names of the cases begin.
FAMILIES = ("llama",)
COMPUTABLE = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K"}
EXACT = ("--exact", "--cache-type", "f32")
# The prompt as a whole on all cores, in pieces that do not divide it, and one token after the other.
BATCHES = (("--batch", 512), ("--batch", 7, "-t", 1), ("--batch", 1, "-t", 1))


def cases():
    folder = program.shared("conformance/arch")
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(FAMILIES):
            yield json.loads(path.read_text()), folder


def rows_of(values, columns):
    return [values[i:i + columns] for i in range(0, len(values), columns)]


class Conformance(ProgramTest):
    def each(self):
        """(case, model, main output, golden rows, instruction set) for all that can be computed."""
        found = 0
        for case, folder in cases():
            if not set(case["types"]) <= COMPUTABLE:
                continue
            found += 1
            main = case["outputs"]["main"]
            golden = program.read_floats(folder / main["ref"])
            for isa in program.isas():
                yield case, folder / case["file"], main, golden, isa
        self.assertGreaterEqual(found, 11)

    def test_exact_logits_meet_the_strict_tolerance_in_every_batch_shape(self):
        for case, model, main, golden, isa in self.each():
            for batch in BATCHES:
                with self.subTest(case=case["name"], isa=isa, batch=batch):
                    values = self.logits(model, case["tokens"], *EXACT, *batch, isa=isa)
                    limit = case["tolerance"]["strict"]["nmse"]
                    self.assertLessEqual(program.nmse(values, golden), limit)
                    rows = rows_of(values, main["cols"])
                    for r in main["argmax_clear"]:
                        self.assertEqual(program.argmax(rows[r]), main["argmax_ref"][r], f"row {r}")

    def test_fast_logits_meet_the_loose_tolerance_in_every_batch_shape(self):
        for case, model, _, golden, isa in self.each():
            for batch in BATCHES:
                with self.subTest(case=case["name"], isa=isa, batch=batch):
                    values = self.logits(model, case["tokens"], *batch, isa=isa)
                    limit = case["tolerance"]["loose"]["nmse"]
                    self.assertLessEqual(program.nmse(values, golden), limit)

    def test_greedy_ids_are_the_golden_ones_up_to_rounding(self):
        # Fed with the golden ids, each row must have the next golden id as its best token: the same
        # as generating them one after the other. With F32 throughout all are equal. With rounded
        # activations an id may differ only where F32 has both closer together than three standard
        # deviations of what the loose tolerance lets their difference move.
        for case, model, main, golden, isa in self.each():
            ids = main["greedy_ref"][:main["greedy_agree"]]
            fed = case["tokens"] + ids[:-1]
            exact = rows_of(self.logits(model, fed, *EXACT, *BATCHES[0], isa=isa),
                            main["cols"])[-len(ids):]
            with self.subTest(case=case["name"], isa=isa, mode="exact"):
                self.assertEqual([program.argmax(row) for row in exact], ids)
            mean_square = sum(value * value for value in golden) / len(golden)
            movable = 3 * math.sqrt(2 * case["tolerance"]["loose"]["nmse"] * mean_square)
            for batch in BATCHES:
                with self.subTest(case=case["name"], isa=isa, mode=batch):
                    fast = rows_of(self.logits(model, fed, *batch, isa=isa), main["cols"])
                    for row, true, wanted in zip(fast[-len(ids):], exact, ids):
                        best = program.argmax(row)
                        self.assertLessEqual(true[wanted] - true[best], movable)

    def test_a_model_with_weights_that_cannot_be_computed_is_refused_by_the_type(self):
        for case, folder in cases():
            missing = set(case["types"]) - COMPUTABLE
            if missing:
                done = self.refuse("logits", folder / case["file"], "--tokens", "1,2", "--out",
                                   self.folder / "out.f32")
                self.assertTrue(any(name in done.err.decode() for name in missing), done)


if __name__ == "__main__":
    program.main()
