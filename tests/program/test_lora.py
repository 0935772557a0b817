"""--lora: a model with adapters has the logits of the model whose matrices have them merged in."""
import concurrent.futures
import json
import random
import struct

import hugging_face
import program
from gguf_file import GgufFile, key, write_gguf
from program import ProgramTest
from serving import serving

EXACT = ("--exact", "--cache-type", "f32")
RANK, ALPHA = 4, 6.0
TOKENS = [1, 17, 200, 5, 63, 9, 120, 44, 3, 250, 71]
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def packed(values):
    return struct.pack(f"<{len(values)}f", *values)


def halves(data):
    return list(struct.unpack(f"<{len(data) // 2}e", data))


class Adapter:
    """Random A (rank, inputs) and B (outputs, rank) for some matrices of a model."""

    def __init__(self, model, names, seed, rank=RANK):
        values = random.Random(seed)
        self.rank, self.pairs = rank, {}
        for name in names:
            outputs, inputs = model.tensors[name].shape
            self.pairs[name] = ([values.uniform(-0.3, 0.3) for _ in range(rank * inputs)],
                                [values.uniform(-0.3, 0.3) for _ in range(outputs * rank)])

    def added(self, name, weights, inputs, scale):
        """The weights with scale * alpha / rank * B A, rounded to what F32 holds."""
        if name not in self.pairs:
            return weights
        a, b = self.pairs[name]
        factor = scale * ALPHA / self.rank
        out = list(weights)
        for r in range(len(weights) // inputs):
            row = b[r * self.rank:(r + 1) * self.rank]
            for i in range(inputs):
                out[r * inputs + i] += factor * sum(
                    row[k] * a[k * inputs + i] for k in range(self.rank))
        return out

    def tensors(self, model):
        for name, (a, b) in self.pairs.items():
            outputs, inputs = model.tensors[name].shape
            yield f"{name}.lora_a", (inputs, self.rank), "F32", packed(a)
            yield f"{name}.lora_b", (self.rank, outputs), "F32", packed(b)

    def write(self, model, path, architecture="llama", more=(), **keys):
        facts = {"general.type": "adapter", "general.architecture": architecture,
                 "adapter.type": "lora", "adapter.lora.alpha": ALPHA, **keys}
        write_gguf(path, len(facts), b"".join(key(*fact) for fact in facts.items()),
                   [*self.tensors(model), *more])
        return path

    def write_peft(self, model, folder, turned):
        """As PEFT saves it: rows that rotate stand in halves there."""
        folder.mkdir()
        names = dict(hugging_face.DECODER)
        heads = model.keys["llama.attention.head_count"]
        keys = model.keys["llama.attention.head_count_kv"]
        tensors = []
        for name, (a, b) in self.pairs.items():
            outputs, inputs = model.tensors[name].shape
            if name == "output.weight":
                module = "lm_head"
            else:
                _, layer, stem, _ = name.split(".")
                module = names[f"blk.#.{stem}"].replace("#", layer)
                if turned and stem in ("attn_q", "attn_k"):
                    rows = [b[i:i + self.rank] for i in range(0, len(b), self.rank)]
                    rows = hugging_face.halves_of_heads(rows, heads if stem == "attn_q" else keys)
                    b = [value for row in rows for value in row]
            tensors.append((f"base_model.model.{module}.lora_A.weight", "F32",
                            [self.rank, inputs], packed(a)))
            tensors.append((f"base_model.model.{module}.lora_B.weight", "F32",
                            [outputs, self.rank], packed(b)))
        hugging_face.write_safetensors(folder / "adapter_model.safetensors", tensors)
        (folder / "adapter_config.json").write_text(json.dumps(
            {"peft_type": "LORA", "r": self.rank, "lora_alpha": ALPHA}))
        return folder


class Lora(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = GgufFile(program.shared("conformance/arch/llama2.gguf"))
        self.base = self.write_model("base.gguf", {})
        self.names = [f"blk.{layer}.{stem}.weight" for layer in (0, 1) for stem in MATRICES]
        self.names.append("output.weight")

    def write_model(self, file, scales):
        """The model in F32, with {adapter: scale} merged in."""
        tensors = []
        for tensor in self.model.tensors.values():
            values = floats(tensor.data) if tensor.type == "F32" else halves(tensor.data)
            for adapter, scale in scales.items():
                values = adapter.added(tensor.name, values, tensor.shape[-1], scale)
            tensors.append((tensor.name, list(reversed(tensor.shape)), "F32", packed(values)))
        path = self.folder / file
        write_gguf(path, self.model.key_count, self.model.key_bytes, tensors)
        return path

    def test_adapters_are_as_good_as_merged(self):
        first = Adapter(self.model, self.names, seed=1)
        second = Adapter(self.model, self.names[3:9], seed=2, rank=1)
        one = first.write(self.model, self.folder / "one.gguf")
        two = second.write(self.model, self.folder / "two.gguf")
        flags = ("--lora", one, "--lora-scaled", f"{two}:-0.5")
        merged = self.write_model("merged.gguf", {first: 1, second: -0.5})
        for isa in program.isas():
            golden = self.logits(merged, TOKENS, *EXACT, isa=isa)
            plain = self.logits(self.base, TOKENS, *EXACT, isa=isa)
            self.assertGreater(program.nmse(plain, golden), 1e-2)  # it does change the model
            for batch in (("--batch", 512), ("--batch", 3), ("--batch", 1, "-t", 1)):
                with self.subTest(isa=isa, batch=batch):
                    found = self.logits(self.base, TOKENS, *EXACT, *flags, *batch, isa=isa)
                    self.assertLess(program.nmse(found, golden), 1e-9)

    def test_a_server_of_vectors_takes_none(self):
        embedder = program.SOURCE / "models" / "issun-embed.gguf"
        model = GgufFile(embedder)
        adapter = Adapter(model, ["blk.0.ffn_up.weight"], seed=5)
        file = adapter.write(model, self.folder / "e.gguf", model.keys["general.architecture"])
        self.refuse("serve", embedder, "--port", 0, "--lora", file, naming=["--lora", "vectors"])
        self.refuse("serve", embedder, "--port", 0, "--lora-scaled", f"{file}:0.5", naming=["--lora-scaled"])

    def test_an_adapter_of_peft_is_the_same_adapter(self):
        adapter = Adapter(self.model, self.names, seed=3)
        file = adapter.write(self.model, self.folder / "a.gguf")
        folder = adapter.write_peft(self.model, self.folder / "peft", turned=True)
        self.assertEqual(self.logits(self.base, TOKENS, *EXACT, "--lora", folder),
                         self.logits(self.base, TOKENS, *EXACT, "--lora", file))
        straight = adapter.write_peft(self.model, self.folder / "straight", turned=False)
        self.assertNotEqual(self.logits(self.base, TOKENS, *EXACT, "--lora", straight),
                            self.logits(self.base, TOKENS, *EXACT, "--lora", file))

    def test_a_quantised_model_takes_adapters(self):
        path = program.shared("conformance/arch/llama-q4_0.gguf")
        model = GgufFile(path)
        adapter = Adapter(model, ["blk.0.attn_q.weight", "blk.1.ffn_down.weight"], seed=4)
        file = adapter.write(model, self.folder / "a.gguf")
        run = ("run", path, "-p", "once", "-n", "4", "--temp", "0")
        self.assertEqual(self.succeed(*run, "--lora-scaled", f"{file}:0").out, self.succeed(*run).out)
        self.assertNotEqual(self.logits(path, TOKENS, "--lora", file), self.logits(path, TOKENS))

    def test_adapters_that_do_not_fit_are_refused_by_name(self):
        good = Adapter(self.model, ["blk.0.attn_q.weight"], seed=5)
        file = self.folder / "a.gguf"

        def refuse(*naming):
            self.refuse("logits", self.base, "--tokens", "1", "--out", self.folder / "x", "--lora",
                        file, naming=naming)

        good.write(self.model, file, architecture="qwen2")
        refuse("general.architecture", "qwen2")
        good.write(self.model, file, **{"adapter.type": "control"})
        refuse("adapter.type", "control")
        good.write(self.model, file, **{"general.type": "model"})
        refuse("general.type")
        good.write(self.model, file, **{"adapter.lora.alpha": float("inf")})
        refuse("adapter.lora.alpha")
        for name, naming in (("blk.9.attn_q.weight.lora_a", "no such"), ("blk.0.attn_k.lora", "lora_a"),
                             ("blk.0.attn_v.weight.lora_a", "found one"),
                             ("blk.0.attn_norm.weight", "lora_a")):
            good.write(self.model, file, more=[(name, (128, 4), "F32", bytes(4 * 128 * 4))])
            refuse(name.removesuffix(".lora_a"), naming)
        for name in ("token_embd.weight", "blk.0.attn_norm.weight"):
            inputs = self.model.tensors[name].shape[-1]
            outputs = self.model.tensors[name].row_count()
            pair = [(f"{name}.lora_a", (inputs, 2), "F32", bytes(8 * inputs)),
                    (f"{name}.lora_b", (2, outputs), "F32", bytes(8 * outputs))]
            good.write(self.model, file, more=pair)
            refuse(name, "cannot be added to")
        wrong = [("blk.1.attn_q.weight.lora_a", (64, 4), "F32", bytes(64 * 16)),
                 ("blk.1.attn_q.weight.lora_b", (4, 128), "F32", bytes(128 * 16))]
        good.write(self.model, file, more=wrong)
        refuse("blk.1.attn_q.weight", "expected 128 columns")
        good.write(self.model, file)
        for text in (f"{file}:x", f"{file}", f"{file}:"):
            self.refuse("logits", self.base, "--tokens", "1", "--out", self.folder / "x",
                        "--lora-scaled", text, naming=["FILE:SCALE"])

    def test_adapters_of_peft_that_mean_something_else_are_refused(self):
        adapter = Adapter(self.model, ["blk.0.attn_q.weight"], seed=6)
        folder = adapter.write_peft(self.model, self.folder / "peft", turned=True)
        config = json.loads((folder / "adapter_config.json").read_text())
        for change, naming in (({"use_dora": True}, "use_dora"), ({"peft_type": "IA3"}, "IA3"),
                               ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"), ({"r": 0}, "r")):
            (folder / "adapter_config.json").write_text(json.dumps({**config, **change}))
            self.refuse("logits", self.base, "--tokens", "1", "--out", self.folder / "x", "--lora",
                        folder, naming=[naming])

    def test_a_server_changes_scales_and_never_goes_on_from_what_others_read(self):
        first = Adapter(self.model, self.names, seed=7)
        second = Adapter(self.model, self.names[:6], seed=8)
        one = first.write(self.model, self.folder / "one.gguf")
        two = second.write(self.model, self.folder / "two.gguf")
        prompt = "Once upon a time there was a little girl who"

        def alone(a, b):
            flags = ("--lora-scaled", f"{one}:{a}", "--lora-scaled", f"{two}:{b}")
            run = self.succeed("run", self.base, "--raw", "-p", prompt, "-n", "12", "--temp", "0", *EXACT,
                               "--ignore-eos", "--json", *flags)
            return json.loads(run.text)["content"]

        with serving(self.base, *EXACT, "--ctx-size", 128, "--lora-scaled", f"{one}:1",
                     "--lora-scaled", f"{two}:0") as server:
            def ask(**more):
                answer = server.ask("/v1/completions", {
                    "prompt": prompt, "max_tokens": 12, "temperature": 0, "ignore_eos": True, **more})
                self.assertEqual(answer.status, 200, answer.body)
                return answer.json["choices"][0]["text"]

            def scales(*pairs):
                return [{"id": adapter, "scale": scale} for adapter, scale in pairs]

            listed = server.ask("/lora-adapters").json
            self.assertEqual(listed, [{"id": 0, "path": "one.gguf", "scale": 1},
                                      {"id": 1, "path": "two.gguf", "scale": 0}])
            wanted = [alone(1, 0), alone(0, 0), alone(0.5, -1)]
            self.assertEqual(len(set(wanted)), 3)  # else nothing is shown here
            for _ in range(2):
                self.assertEqual(ask(), wanted[0])
                self.assertEqual(ask(lora=[]), wanted[1])
                self.assertEqual(ask(lora=scales((0, 0.5), (1, -1))), wanted[2])
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                fields = [{}, {"lora": []}, {"lora": scales((0, 0.5), (1, -1))}] * 3
                self.assertEqual(list(pool.map(lambda more: ask(**more), fields)), wanted * 3)
            self.assertEqual(server.ask("/lora-adapters", scales((0, 0.5), (1, -1))).json,
                             {"success": True})
            self.assertEqual(ask(), wanted[2])
            self.assertEqual([entry["scale"] for entry in server.ask("/lora-adapters").json], [0.5, -1])
            for wrong, naming in (([{"id": 2, "scale": 1}], "id"), ([{"id": 0}], "scale"),
                                  ({"id": 0}, "list"), ([{"id": 0, "scale": "x"}], "number")):
                refused = server.ask("/lora-adapters", wrong)
                self.assertEqual(refused.status, 400, refused.body)
                self.assertIn(naming, refused.json["error"]["message"])


if __name__ == "__main__":
    program.main()
