"""quantize: every type on a small model, the report, importance in both forms, and what is refused."""
import json
import random
import resource
import signal
import struct
import subprocess
import time

import gguf_file
import program
from program import BINARY, ProgramTest

TYPES = ("F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K_S Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S "
         "Q5_K_M Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_NL IQ4_XS "
         "TQ1_0 TQ2_0 MXFP4_MOE NVFP4 Q1_0 Q2_0 COPY").split()
# Those that have next to nothing of a random model left.
COARSE = ("IQ1", "IQ2", "TQ", "Q1_0", "Q2_0")
TOKENS = [1, 5, 9, 300, 200, 77, 8]


def importance(model, path, older):
    """Random importance for every matrix of the layers, as either form of file."""
    draw = random.Random(7)
    entries = []
    for name, tensor in gguf_file.GgufFile(model).tensors.items():
        if len(tensor.shape) < 2 or not name.startswith("blk."):
            continue
        values = [draw.lognormvariate(0, 1) for _ in range(tensor.shape[-1])]
        entries.append((name, struct.pack(f"<{len(values)}f", *values), len(values)))
    if older:
        data = struct.pack("<i", len(entries))
        for name, values, count in entries:
            data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, count) + values
        path.write_bytes(data + struct.pack("<ii", 3, 4) + b"text")
        return path
    tensors = []
    for name, values, count in entries:
        tensors.append((name + ".in_sum2", (count, 1), "F32", values))
        tensors.append((name + ".counts", (1, 1), "F32", struct.pack("<f", 1)))
    keys = (gguf_file.key("general.type", "imatrix") + gguf_file.key("imatrix.datasets", ["text"]) +
            gguf_file.key("imatrix.chunk_count", 3) + gguf_file.key("imatrix.chunk_size", 512))
    gguf_file.write_gguf(path, 4, keys, tensors)
    return path


class Quantize(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model.gguf"
        self.out = self.folder / "out.gguf"
        self.succeed("synth", "tiny", "F16", self.model)

    def quantize(self, *more, out=None):
        return self.succeed("quantize", self.model, out or self.out, *more)

    def test_every_type_is_written_sound_and_computed(self):
        matrix = importance(self.model, self.folder / "i.gguf", older=False)
        golden = self.logits(self.model, TOKENS, "--exact")
        for name in TYPES:
            with self.subTest(type=name):
                done = self.quantize("--type", name, "--imatrix", matrix, "--json")
                report = json.loads(done.text)
                self.assertEqual(report["bytes"], sum(t["bytes"] for t in report["tensors"]))
                self.assertLess(report["bytes"], self.out.stat().st_size)
                self.succeed("verify", self.out)
                wrong = program.nmse(self.logits(self.model if name == "COPY" else self.out, TOKENS,
                                                 "--exact"), golden)
                self.assertLess(wrong, 1.5 if name.startswith(COARSE) else 0.5)
                fast = program.nmse(self.logits(self.out, TOKENS), golden)
                self.assertLess(fast, 1.5 if name.startswith(COARSE) else 0.5)

    def test_more_bits_lose_less(self):
        matrix = importance(self.model, self.folder / "i.gguf", older=False)
        losses = []
        for name in ("IQ1_S", "IQ2_XXS", "IQ2_S", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0", "F16"):
            report = json.loads(self.quantize("--type", name, "--imatrix", matrix, "--json").text)
            losses.append(next(t["relative_rmse"] for t in report["tensors"]
                               if t["name"] == "blk.1.attn_q.weight"))
        self.assertEqual(losses, sorted(losses, reverse=True))
        self.assertEqual(losses[-1], 0)

    def test_threads_and_instruction_sets_write_the_same_bytes(self):
        self.quantize("--type", "Q4_K_M", "-t", 1)
        first = self.out.read_bytes()
        for isa in program.isas():
            with self.subTest(isa=isa):
                self.succeed("quantize", self.model, self.out, "--type", "Q4_K_M", "-t", 3, isa=isa)
                self.assertEqual(self.out.read_bytes(), first)

    def test_matrices_that_read_the_same_rows_may_have_types_of_any_two_forms(self):
        # Activations become blocks of 8 bits for one, bf16 for the other, and stay floats for the third.
        rules = ("--tensor", "attn_k=bf16", "--tensor", "ffn_up=bf16", "--tensor", "attn_v=f16")
        for model in ("issun-27m", "issun-moe-38m"):
            self.succeed("quantize", program.SOURCE / "models" / f"{model}.gguf", self.out, "--type", "Q8_0", *rules,
                         "--allow-requantize")
            golden = self.logits(self.out, TOKENS * 3, "--exact")
            for isa in program.isas():
                with self.subTest(model=model, isa=isa):
                    self.assertLess(program.nmse(self.logits(self.out, TOKENS * 3, isa=isa), golden), 1e-2)

    def test_both_forms_of_importance_say_the_same(self):
        files = []
        for older in (True, False):
            matrix = importance(self.model, self.folder / f"i{older}", older)
            self.quantize("--type", "IQ3_S", "--imatrix", matrix)
            file = gguf_file.GgufFile(self.out)
            self.assertEqual(file.keys["quantize.imatrix.file"], str(matrix))
            self.assertEqual(file.keys["quantize.imatrix.dataset"], "text")
            self.assertEqual(file.keys["quantize.imatrix.entries_count"], 28)
            self.assertEqual(file.keys["quantize.imatrix.chunks_count"], 3)
            report = json.loads(self.quantize("--type", "IQ3_S", "--imatrix", matrix, "--json").text)
            files.append([t for t in report["tensors"] if "weighted_relative_rmse" in t])
        self.assertEqual(files[0], files[1])
        self.assertEqual(len(files[0]), 28)

    def test_rules_and_the_readable_report(self):
        text = self.quantize("--type", "Q4_K_M", "--tensor", "ffn_(gate|up)=IQ4_XS", "--tensor",
                             "blk\\.1\\.=Q8_0").text
        types = {line.split()[0]: line.split()[1] for line in text.splitlines()[:-1]}
        self.assertEqual(types["blk.1.ffn_up.weight"], "IQ4_XS")
        self.assertEqual(types["blk.1.attn_q.weight"], "Q8_0")
        self.assertEqual(types["blk.0.attn_q.weight"], "Q4_K")
        self.assertRegex(text.splitlines()[-1], r"6\.8 MB to .* bits a weight")

    def test_what_is_worthless_or_wrong_is_refused(self):
        for name in ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "Q2_K_S"):
            self.refuse("quantize", self.model, self.out, "--type", name, naming=("--imatrix",))
        self.refuse("quantize", self.model, self.out, "--type", "Q9_K", status=2, naming=("Q9_K",))
        self.refuse("quantize", self.model, self.out, status=2, naming=("--type",))
        self.refuse("quantize", self.model, self.model, "--type", "Q8_0", naming=("another file",))
        self.refuse("quantize", "no/such.gguf", self.out, "--type", "Q8_0", naming=("no/such.gguf",))
        for rule, naming in (("ffn_up", "REGEX=TYPE"), ("ffn_up=Q9", "REGEX=TYPE"),
                             ("=Q8_0", "REGEX=TYPE"), ("ffn_up=I8", "I8"), ("nothing=Q8_0", "nothing"),
                             ("ffn_(=Q8_0", "ffn_(")):
            with self.subTest(rule=rule):
                self.refuse("quantize", self.model, self.out, "--type", "Q8_0", "--tensor", rule,
                            naming=(naming,))
        for content in (b"", b"\1\0\0\0", b"GGUF" + bytes(20), self.model.read_bytes()):
            wrong = self.folder / "wrong.imatrix"
            wrong.write_bytes(content)
            self.refuse("quantize", self.model, self.out, "--type", "Q8_0", "--imatrix", wrong,
                        naming=("wrong.imatrix",))
        self.assertFalse(self.out.exists())

    def test_a_quantised_source_is_taken_by_wish_alone(self):
        self.quantize("--type", "Q8_0")
        again = self.folder / "again.gguf"
        self.refuse("quantize", self.out, again, "--type", "Q4_K_M", naming=("--allow-requantize",))
        self.succeed("quantize", self.out, again, "--type", "Q4_K_M", "--allow-requantize")
        self.succeed("verify", again)

    def test_a_full_disk_and_a_kill_leave_no_file_under_the_name(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

        self.out.write_bytes(b"before")
        arguments = [BINARY, "quantize", self.model, self.out, "--type", "Q4_K_M"]
        full = subprocess.run(arguments, capture_output=True, preexec_fn=small_files, check=False)
        self.assertEqual(full.returncode, 1)
        self.assertIn(b"File too large", full.stderr)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["model.gguf", "out.gguf"])
        for delay in (0.0, 0.005, 0.02):
            with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
                time.sleep(delay)
                process.kill()
            if self.out.read_bytes() != b"before":
                self.succeed("verify", self.out)
        self.refuse("quantize", self.model, "/dev/full", "--type", "Q8_0", naming=("No space left",))

    def test_models_of_the_conformance_data_still_answer(self):
        for name in ("mixtral", "qwen3moe", "gemma3", "phi3", "mamba2", "granitehybrid"):
            source = program.shared(f"conformance/arch/{name}.gguf")
            golden = self.logits(source, TOKENS, "--exact")
            for kind, limit in (("Q8_0", 5e-3), ("Q4_K_M", 0.5)):
                with self.subTest(model=name, type=kind):
                    self.succeed("quantize", source, self.out, "--type", kind, "--allow-requantize")
                    self.succeed("verify", self.out)
                    self.assertLess(program.nmse(self.logits(self.out, TOKENS, "--exact"), golden), limit)


if __name__ == "__main__":
    program.main()
