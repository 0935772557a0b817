"""pack: a mixture with each expert in one piece of the file, and everything that reads such a file."""
import json

import gguf_file
import program
from program import SOURCE, STORIES, ProgramTest

MIXTURE = SOURCE / "models" / "issun-moe-38m.gguf"
TOKENS = [1, 103, 107, 261, 78, 132, 109, 267, 37, 100, 111, 263]  # of any vocabulary here
PARTS = ("ffn_gate", "ffn_up", "ffn_down")


class Pack(ProgramTest):
    def setUp(self):
        super().setUp()
        self.packed = self.folder / "packed.gguf"
        self.out = self.folder / "out.gguf"

    def pack(self, source=MIXTURE, out=None):
        return json.loads(self.succeed("pack", source, out or self.packed, "--json").text)

    def quantize(self, model, out, *more):
        self.succeed("quantize", model, out, "--allow-requantize", *more)
        return out.read_bytes()

    def types(self, path):
        tensors = json.loads(self.succeed("inspect", path, "--json").text)["tensors"]
        return {t["name"]: t["type"] for t in tensors}

    def test_a_packed_expert_is_one_read_and_the_logits_are_the_same_bits(self):
        report = self.pack()
        self.assertEqual((report["before"]["reads_per_expert"], report["after"]["reads_per_expert"]), (3, 1))
        self.assertEqual((report["layers"], report["experts"]), (10, 160))
        self.succeed("verify", self.packed)
        file = gguf_file.GgufFile(self.packed)
        self.assertEqual(file.keys["general.alignment"], 4096)
        for isa in program.isas():
            for exact in ((), ("--exact",)):
                with self.subTest(isa=isa, exact=exact):
                    self.assertEqual(self.logits(self.packed, TOKENS, *exact, isa=isa),
                                     self.logits(MIXTURE, TOKENS, *exact, isa=isa))

    def test_unpacking_gives_back_every_tensor_and_every_key(self):
        self.pack()
        self.succeed("pack", "--unpack", self.packed, self.out)
        before, after = gguf_file.GgufFile(MIXTURE), gguf_file.GgufFile(self.out)
        self.assertEqual(after.keys, before.keys)
        self.assertEqual(set(after.tensors), set(before.tensors))
        self.assertEqual(self.logits(self.out, TOKENS), self.logits(MIXTURE, TOKENS))
        hashes = [json.loads(self.succeed("inspect", p, "--json").text)["tensors"]
                  for p in (MIXTURE, self.out)]
        self.assertEqual(*(sorted((t["name"], t["type"], t["shape"]) for t in h) for h in hashes))

    def test_the_report_for_people_tells_reads_and_padding(self):
        text = self.succeed("pack", MIXTURE, self.packed).text
        self.assertRegex(text, r"160 experts in 10 layers; reads per expert: 3 before, 1 after")
        self.assertRegex(text, r"\d+ bytes of padding")

    def test_quantising_and_packing_may_change_places(self):
        self.pack()
        stacked, repacked = self.folder / "stacked.gguf", self.folder / "repacked.gguf"
        text = self.folder / "text.txt"
        text.write_text("Once upon a time there was a little needle. " * 300)
        imatrix = self.folder / "i.gguf"
        self.succeed("imatrix", MIXTURE, "-f", text, "-o", imatrix, "-c", 128, "--chunks", 2)
        for more in (("--type", "Q4_1"), ("--type", "Q5_0", "--imatrix", imatrix),
                     ("--type", "Q4_1", "--method", "gptq", "--calibration", text)):
            with self.subTest(flags=more):
                self.quantize(MIXTURE, stacked, *more)
                self.pack(stacked, repacked)
                self.assertEqual(self.quantize(self.packed, self.out, *more), repacked.read_bytes())

    def test_imatrix_of_both_layouts_is_one(self):
        self.pack()
        text = self.folder / "text.txt"
        text.write_text("Once upon a time there was a little needle. " * 100)
        files = []
        for model in (MIXTURE, self.packed):
            out = self.folder / "i.gguf"
            self.succeed("imatrix", model, "-f", text, "-o", out, "-c", 64, "--chunks", 2)
            files.append(out.read_bytes())
        self.assertEqual(*files)

    def test_experts_of_several_types_run_and_stay_packed(self):
        self.pack()
        self.quantize(self.packed, self.out, "--type", "COPY", "--tensor", r"blk\.3\.ffn_.*\.5\.=Q8_0",
                      "--tensor", "ffn_down_exps=Q4_1")
        types = self.types(self.out)
        for part in PARTS:
            self.assertEqual(types[f"blk.3.{part}.5.weight"], "Q8_0")
        self.assertEqual(types["blk.3.ffn_down.15.weight"], "Q4_1")
        self.assertEqual(types["blk.3.ffn_up.6.weight"], types["blk.2.ffn_up.5.weight"])
        self.succeed("verify", self.out)
        for isa in program.isas():
            distance = program.nmse(self.logits(self.out, TOKENS, isa=isa), self.logits(MIXTURE, TOKENS, isa=isa))
            self.assertLess(distance, 0.1)
            self.assertGreater(distance, 0)
        self.refuse("pack", "--unpack", self.out, self.folder / "no.gguf",
                    naming=("blk.3.ffn_gate.5.weight", "blk.3.ffn_gate.0.weight", "Q8_0"))
        self.assertFalse((self.folder / "no.gguf").exists())
        self.assertEqual(self.pack(self.out, self.folder / "again.gguf")["after"]["reads_per_expert"], 1)

    def test_hot_experts_of_a_trace_are_wider(self):
        self.pack()
        trace = self.folder / "trace.jsonl"
        layers = list(range(10))
        header = {"issun": "routing trace", "version": 1, "model": "m", "layers": layers, "experts": [16] * 10,
                  "used": 4, "expert_bytes": [1] * 10}
        # Layer l likes experts l to l + 3, and has met expert 15 once.
        batches = [{"phase": "prompt", "rows": 2, "experts": [[[l, l + 1, l + 2, l + 3]] * 2 for l in layers]},
                   {"phase": "generate", "rows": 1, "experts": [[[l, l + 1, l + 2, 15]] for l in layers]}]
        trace.write_text("".join(json.dumps(line) + "\n" for line in [header, *batches]))
        rules = ("--type", "Q4_0", "--tensor", "_exps=Q4_0", "--hot-experts", f"{trace}:0.25:Q8_0")
        self.quantize(self.packed, self.out, *rules)
        types = self.types(self.out)
        for layer in layers:
            hot = set(range(layer, layer + 4))
            for part in PARTS:
                for expert in range(16):
                    self.assertEqual(types[f"blk.{layer}.{part}.{expert}.weight"], "Q8_0" if expert in hot else "Q4_0")
        self.succeed("verify", self.out)
        self.logits(self.out, TOKENS)
        self.refuse("quantize", MIXTURE, self.out, "--allow-requantize", *rules, naming=("issun pack",))
        self.refuse("quantize", self.packed, self.out, "--type", "Q4_0", "--hot-experts", f"{trace}:2:Q8_0",
                    naming=("TRACE:SHARE:TYPE",))
        trace.write_text("".join(json.dumps(line) + "\n" for line in [dict(header, layers=layers[:9] + [12]), *batches]))
        self.refuse("quantize", self.packed, self.out, "--allow-requantize", *rules, naming=("layer 9",))

    def test_every_mixture_of_the_conformance_data_has_its_bits(self):
        for name in ("mixtral", "qwen3moe", "gpt-oss-mxfp4", "deepseek2", "phimoe", "granitehybrid"):
            source = program.shared(f"conformance/arch/{name}.gguf")
            with self.subTest(model=name):
                self.pack(source)
                self.succeed("verify", self.packed)
                self.assertEqual(self.logits(self.packed, TOKENS), self.logits(source, TOKENS))
                self.succeed("pack", "--unpack", self.packed, self.out)
                self.assertEqual(self.logits(self.out, TOKENS), self.logits(source, TOKENS))

    def test_what_cannot_be_packed_is_refused(self):
        self.refuse("pack", STORIES, self.out, naming=("mixture of experts", "stories260K"))
        self.refuse("pack", "--unpack", MIXTURE, self.out, naming=("tensors of their own",))
        self.refuse("pack", MIXTURE, MIXTURE, naming=("another file",))
        self.refuse("pack", "no/such.gguf", self.out, naming=("no/such.gguf",))
        self.refuse("pack", MIXTURE, status=2)
        self.refuse("pack", MIXTURE, "/dev/full", naming=("No space left",))
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    program.main()
