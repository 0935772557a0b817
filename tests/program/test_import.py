"""issun import: a conformance model, taken apart into a Hugging Face directory by code of its own
and imported again, has the same keys, the same tensor bytes and the golden logits."""
import json
import re
import struct

import hugging_face
import program
from gguf_file import GgufFile
from hugging_face_more import MORE_KINDS
from hugging_face_states import GRANITE_WITHOUT_STATES, STATE_KINDS
from hugging_face_tokenizer import SPLITTERS, write_tokenizer
from program import ProgramTest

# Keys that say nothing about what is computed, or that a directory has no place for.
IGNORED = {"general.type", "general.name", "general.quantization_version", "general.file_type",
           "tokenizer.ggml.add_sep_token"}
EXACT = ("--exact", "--cache-type", "f32")
DATA = "data/weights/stories260K"


def cases():
    folder = program.shared("conformance/arch")
    for name, kind in {**hugging_face.KINDS, **MORE_KINDS, **STATE_KINDS}.items():
        yield name, kind, folder / f"{name}.gguf"


class Import(ProgramTest):
    def written(self, name, kind, path, files=1):
        """The directory that means the same as the file."""
        model = GgufFile(path)
        folder = self.folder / name
        hugging_face.write_model(model, kind, folder, files)
        write_tokenizer(model.keys, folder)
        return model, folder

    def imported(self, folder, *more):
        out = self.folder / "out.gguf"
        if folder.name == "deepseek2":
            more += ("--pre", "deepseek-llm")
        self.succeed("import", folder, out, *more)
        return out

    def test_a_directory_becomes_the_file_it_was_made_of(self):
        for name, kind, path in cases():
            with self.subTest(case=name):
                model, folder = self.written(name, kind, path, files=1 + len(name) % 3)
                again = GgufFile(self.imported(folder))
                self.assertEqual(sorted(again.tensors), sorted(model.tensors))
                for tensor in model.tensors.values():
                    found = again.tensors[tensor.name]
                    self.assertEqual((found.type, found.shape), (tensor.type, tensor.shape),
                                     tensor.name)
                    if tensor.name == "rope_freqs.weight" or tensor.name.endswith(".ssm_a"):
                        a, b = program_floats(found.data), program_floats(tensor.data)
                        self.assertLess(max(abs((x - y) / y) for x, y in zip(a, b)), 1e-6)
                        continue
                    self.assertEqual(found.data, tensor.data, tensor.name)
                self.compare_keys(again.keys, model.keys)

    def test_a_hybrid_without_states_is_no_hybrid(self):
        path = program.shared("conformance/arch/granite.gguf")
        model, folder = self.written("granite", GRANITE_WITHOUT_STATES, path)
        again = GgufFile(self.imported(folder))
        self.assertEqual(sorted(again.tensors), sorted(model.tensors))
        for name, tensor in model.tensors.items():
            self.assertEqual(again.tensors[name].data, tensor.data, name)
        self.compare_keys(again.keys, model.keys)

    def compare_keys(self, found, wanted):
        for key, value in wanted.items():
            if key in IGNORED:
                continue
            if key == "tokenizer.ggml.pre" and wanted["tokenizer.ggml.model"] == "gpt2":
                self.assertIn(found[key], SPLITTERS[value][1])
            elif key == "tokenizer.ggml.pre":
                continue  # of vocabularies that split no words by it
            elif key.endswith("rope.dimension_count") and key not in found:
                continue  # the width of a head
            elif isinstance(value, float):
                self.assertAlmostEqual(found[key], value, delta=abs(value) * 1e-6, msg=key)
            elif key in ("tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"):
                self.assertEqual(found.get(key, value), value, key)
            elif key == "tokenizer.ggml.token_type":
                same = {2: 3}  # unknown and control are treated alike
                self.assertEqual([same.get(kind, kind) for kind in found[key]],
                                 [same.get(kind, kind) for kind in value])
            else:
                self.assertEqual(found.get(key), value, key)

    def test_imported_models_have_the_golden_logits(self):
        folder = program.shared("conformance/arch")
        compared = 0
        for name, kind, path in cases():
            if program.issun("inspect", path).status != 0:
                continue
            case = json.loads(path.with_suffix(".json").read_text())
            if case["kind"] != "decoder":
                continue
            try_run = program.issun("logits", path, "--tokens", "1", "--out", self.folder / "one")
            if try_run.status != 0:
                continue  # an architecture that this version cannot run
            with self.subTest(case=name):
                _, directory = self.written(name, kind, path)
                out = self.imported(directory)
                main = case["outputs"]["main"]
                golden = program.read_floats(folder / main["ref"])
                context = ("-c", main["n_ctx"]) if "n_ctx" in main else ()
                found = self.logits(out, case["tokens"], *EXACT, *context)
                self.assertLessEqual(program.nmse(found, golden), case["tolerance"]["strict"]["nmse"])
                compared += 1
        self.assertGreaterEqual(compared, 3)

    def test_a_directory_runs_as_it_is(self):
        path = program.shared("conformance/arch/llama3.gguf")
        _, folder = self.written("llama3", hugging_face.KINDS["llama3"], path)
        out = self.imported(folder)
        tokens = json.loads(path.with_suffix(".json").read_text())["tokens"][:9]
        self.assertEqual(self.logits(folder, tokens), self.logits(out, tokens))
        done = self.succeed("run", folder, "-p", "once", "-n", "3", "--temp", "0",
                            env=program.environment(TMPDIR=str(self.folder)))
        self.assertIn(b"imported", done.err)
        self.assertFalse(list(self.folder.glob("issun-*")))  # the temporary file is gone
        self.refuse("run", folder, "-p", "once", naming=["/no/such/place"],
                    env=program.environment(TMPDIR="/no/such/place"))

    def test_tokens_listed_apart_are_added(self):
        path = program.shared("conformance/arch/llama2.gguf")
        model, folder = self.written("llama2", hugging_face.KINDS["llama2"], path)
        names = dict(model.keys, **{"tokenizer.ggml.tokens": model.keys["tokenizer.ggml.tokens"][:318]})
        write_tokenizer(names, folder)
        (folder / "added_tokens.json").write_text(json.dumps({"<|user|>": 318, "<|end|>": 319}))
        keys = GgufFile(self.imported(folder)).keys
        self.assertEqual(keys["tokenizer.ggml.tokens"][316:],
                         [*model.keys["tokenizer.ggml.tokens"][316:318], "<|user|>", "<|end|>"])
        (folder / "added_tokens.json").write_text(json.dumps({"<|user|>": 320}))
        self.refuse("import", folder, self.folder / "x", naming=["token embedding", "320"])
        (folder / "added_tokens.json").write_text(json.dumps({"<|user|>": 2**31}))
        self.refuse("import", folder, self.folder / "x", naming=["<|user|>"])

    def test_types_are_those_asked_for(self):
        path = program.shared("conformance/arch/llama2.gguf")
        model, folder = self.written("llama2", hugging_face.KINDS["llama2"], path)
        for kind in ("f32", "f16", "bf16", "q8_0"):
            with self.subTest(type=kind):
                again = GgufFile(self.imported(folder, "--type", kind))
                self.assertEqual(again.tensors["blk.0.attn_q.weight"].type.lower(), kind)
                self.assertEqual(again.tensors["blk.0.attn_norm.weight"].type, "F32")
        halves = program_halves(model.tensors["blk.1.ffn_up.weight"].data)
        wide = GgufFile(self.imported(folder, "--type", "f32"))
        self.assertEqual(list(program_floats(wide.tensors["blk.1.ffn_up.weight"].data)),
                         list(halves))

    def test_8_bit_floats_with_scales_become_bf16(self):
        path = program.shared("conformance/arch/llama2.gguf")
        model, folder = self.written("llama2", hugging_face.KINDS["llama2"], path)
        tensors = list(hugging_face.stored_tensors(model, hugging_face.KINDS["llama2"]))
        codes = {}
        for i, (name, _, shape, data) in enumerate(tensors):
            if not name.endswith("mlp.up_proj.weight"):
                continue
            # Any but NaN, by a rule that no other has.
            codes[name] = bytes((j * 37 + i) % 127 | (j & 1) << 7 for j in range(shape[0] * shape[1]))
            tensors[i] = (name, "F8_E4M3", shape, codes[name])
            tensors.append((name + "_scale_inv", "F32", [], struct.pack("<f", 0.5)))
        hugging_face.write_safetensors(folder / "model.safetensors", tensors)
        config = json.loads((folder / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": None}
        (folder / "config.json").write_text(json.dumps(config))
        again = GgufFile(self.imported(folder))
        self.assertEqual(len(codes), 2)
        for layer, stored in enumerate(codes.values()):
            found = again.tensors[f"blk.{layer}.ffn_up.weight"]
            self.assertEqual(found.type, "BF16")
            self.assertEqual(found.data, b"".join(
                struct.pack("<f", e4m3(code) * 0.5)[2:] for code in stored))
        config["quantization_config"]["weight_block_size"] = [64, 64]
        (folder / "config.json").write_text(json.dumps(config))
        self.refuse("import", folder, self.folder / "x", naming=["quantization_config", "fp8"])

    def test_a_llama2c_file_has_the_logits_of_its_model(self):
        source = program.shared(f"{DATA}/stories260K.bin")
        out = self.folder / "stories.gguf"
        self.succeed("import", source, out, "--tokenizer", source.with_name("tok512.bin"))
        shipped = GgufFile(source.with_name("stories260Ktok512.gguf"))
        found = GgufFile(out)
        for name in ("tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
            self.assertEqual(found.keys[name], shipped.keys[name], name)
        for name, tensor in found.tensors.items():
            self.assertEqual(tensor.data, shipped.tensors[name].data, name)
        tokens = (program.SHARED / "data/weights/golden/stories260K.once.tokens.txt").read_text()
        ids = [int(word) for word in re.findall(r"\d+", tokens)]
        same = self.logits(program.STORIES, ids, *EXACT)
        self.assertEqual(self.logits(out, ids, *EXACT), same)
        # The SentencePiece model says the same as the tokenizer.bin.
        self.succeed("import", source, out, "--tokenizer", source.with_name("tok512.model"))
        self.assertEqual(GgufFile(out).keys["tokenizer.ggml.tokens"],
                         shipped.keys["tokenizer.ggml.tokens"])

    def test_what_cannot_be_imported_is_refused_by_name(self):
        path = program.shared("conformance/arch/llama2.gguf")
        model, folder = self.written("llama2", hugging_face.KINDS["llama2"], path)
        out = self.folder / "out.gguf"
        config = json.loads((folder / "config.json").read_text())

        def refuse_with(naming, **change):
            (folder / "config.json").write_text(json.dumps({**config, **change}))
            self.refuse("import", folder, out, naming=naming)
            self.assertFalse(out.exists())

        refuse_with(["architectures", "NoSuchModel"], architectures=["NoSuchModel"])
        refuse_with(["quantization_config", "gptq"], quantization_config={"quant_method": "gptq"})
        refuse_with(["num_hidden_layers"], num_hidden_layers=None)
        refuse_with(["layers below 1"], num_hidden_layers=1)
        refuse_with(["rope_scaling", "dynamic"], rope_scaling={"type": "dynamic", "factor": 2})
        refuse_with(["num_attention_heads"], num_attention_heads="four")
        refuse_with(["blk.0.attn_q.weight", "heads"], num_attention_heads=48)
        (folder / "config.json").write_text(json.dumps(config))
        # Words cut as BERT does, in front of scores: no key of GGUF says so.
        (folder / "tokenizer.model").rename(folder / "aside")
        (folder / "tokenizer.json").write_text(json.dumps({
            "normalizer": {"type": "BertNormalizer", "lowercase": True},
            "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
            "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["\u2581a", -1.0]]}}))
        self.refuse("import", folder, out, naming=["BertNormalizer", "vocabulary with scores"])
        (folder / "tokenizer.json").unlink()
        (folder / "aside").rename(folder / "tokenizer.model")
        hugging_face.write_safetensors(folder / "model.safetensors", [
            ("model.embed_tokens.weight", "I8", [2, 2], b"1234"),
            ("model.layers.0.self_attn.q_proj.qweight", "I8", [1], b"1")])
        self.refuse("import", folder, out, naming=["qweight"])
        (folder / "model.safetensors").unlink()
        self.refuse("import", folder, out, naming=["model.safetensors"])
        self.refuse("import", self.folder / "nothing", out, naming=["nothing"])

    def test_a_damaged_llama2c_file_is_refused(self):
        source = program.shared(f"{DATA}/stories260K.bin").read_bytes()
        damaged, out = self.folder / "damaged.bin", self.folder / "out.gguf"
        for data in (source[:-4], source + b"1234", source[:20], b"\0" * 28 + source[28:],
                     struct.pack("<I", 0x616B3432) + struct.pack("<I", 2) + source[8:],
                     struct.pack("<7i", *([2**31 - 1] * 7)) + source[28:],
                     source[:20] + struct.pack("<i", -2**31) + source[24:]):
            damaged.write_bytes(data)
            self.refuse("import", damaged, out, naming=["damaged.bin"])


def e4m3(code):
    """1 sign, 4 bits of exponent, 3 of fraction; exact in BF16."""
    exponent, fraction = code >> 3 & 15, code & 7
    value = fraction / 512 if exponent == 0 else (8 + fraction) * 2.0 ** (exponent - 10)
    return -value if code >> 7 else value


def program_floats(data):
    return struct.unpack(f"<{len(data) // 4}f", data)


def program_halves(data):
    return struct.unpack(f"<{len(data) // 2}e", data)


if __name__ == "__main__":
    program.main()
