"""Static embedding models as their authors keep them: against their vectors, and by hand."""
import json
import math
import resource
import struct

import program
from hugging_face import write_safetensors
from program import ProgramTest, cosine_distance, shared

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sea", "shell", "##s", "the", "!"]
WIDTH = 5
# 3 rows for the tokens, where tokens share them.
ROW_OF = [0, 1, 1, 1, 2, 0, 2, 1, 2]
WEIGHTS = [1, 1, 1, 1, 0.5, 2, 0.25, 0.125, 4]
CODES = {"F64": "d", "F32": "f", "F16": "e", "I8": "b"}


def numbers(kind, rows):
    """Small numbers that are exact in every kind."""
    values = [[(7 * r + 3 * c * c + r * c) % 17 - 8 for c in range(WIDTH)] for r in range(rows)]
    return values, b"".join(struct.pack(f"<{WIDTH}{CODES[kind]}", *row) for row in values)


def mean(rows):
    return [math.fsum(column) / len(rows) for column in zip(*rows)]


class Static(ProgramTest):
    def report(self, model, *more, **options):
        return json.loads(self.succeed("embed", model, "--json", *more, **options).text)

    def vectors(self, model, *more, **options):
        return [e["embedding"] for e in self.report(model, *more, **options)["embeddings"]]

    def near(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for x, y in zip(found, expected):
            self.assertAlmostEqual(x, y, places=5)

    def made(self, name, kind="F32", shared_rows=False, tensor="embeddings", normalise=False,
             weights="F64"):
        folder = self.folder / name
        folder.mkdir()
        rows, data = numbers(kind, 3 if shared_rows else len(TOKENS))
        tensors = [(tensor, kind, [len(rows), WIDTH], data)]
        by_token = rows
        if shared_rows:
            tensors += [("mapping", "I32", [len(TOKENS)], struct.pack("<9i", *ROW_OF)),
                        ("weights", weights, [len(TOKENS)],
                         struct.pack(f"<9{CODES[weights]}", *WEIGHTS))]
            by_token = [[w * x for x in rows[r]] for w, r in zip(WEIGHTS, ROW_OF)]
        write_safetensors(folder / "model.safetensors", tensors)
        (folder / "config.json").write_text(json.dumps(
            {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": normalise}))
        (folder / "tokenizer.json").write_text(json.dumps({
            "added_tokens": [{"id": i, "content": TOKENS[i], "special": True} for i in range(4)],
            "normalizer": {"type": "BertNormalizer", "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}},
                {"SpecialToken": {"id": "[SEP]"}}]},
            "model": {"type": "WordPiece", "unk_token": "[UNK]",
                      "vocab": {text: i for i, text in enumerate(TOKENS)}}}))
        return folder, by_token

    def test_the_vector_of_its_authors(self):
        model = shared("data/weights/model2vec/test-model-vocab-quantized")
        golden = json.loads(shared("data/weights/model2vec/embeddings_vocab_quantized.json")
                            .read_text())[0]
        for path in (model, model / "model.safetensors"):
            found = self.report(path, "-p", "hello " * 1000)
            self.assertEqual(found["embeddings"][0]["tokens"], 1000)
            self.assertLess(cosine_distance(found["embeddings"][0]["embedding"], golden), 1e-7)
            self.near(found["embeddings"][0]["embedding"], golden)
        # Case, accents and kinds of space do not count, and punctuation stands by itself.
        plain, odd = self.vectors(model, "-p", "hello , world", "-p", " H\u00c9llo,\tWorld\n")
        self.near(plain, odd)

    def test_the_mean_of_rows_without_special_and_unknown_tokens(self):
        for kind in ("F32", "F16", "F64", "I8"):
            for shared_rows in (False, True):
                with self.subTest(kind=kind, shared_rows=shared_rows):
                    model, rows = self.made(f"{kind}-{shared_rows}", kind, shared_rows)
                    found = self.report(model, "-p", "The seas, xyz! shells", "-p", "xyz", "-p", "")
                    texts = found["embeddings"]
                    self.assertFalse(found["normalised"])
                    self.assertEqual([t["tokens"] for t in texts], [6, 0, 0])
                    ids = [TOKENS.index(t) for t in ("the", "sea", "##s", "!", "shell", "##s")]
                    self.near(texts[0]["embedding"], mean([rows[i] for i in ids]))
                    self.near(texts[1]["embedding"], [0] * WIDTH)
                    each = self.vectors(model, "-p", "the sea", "--pooling", "none")[0]
                    self.near(each[0] + each[1], rows[7] + rows[4])

    def test_vectors_have_length_1_where_the_files_or_the_person_say(self):
        plain, _ = self.made("plain")
        unit, _ = self.made("unit", normalise=True)
        raw = self.vectors(plain, "-p", "sea shells")[0]
        length = math.sqrt(math.fsum(x * x for x in raw))
        self.assertGreater(abs(length - 1), 0.1)
        for model, more, expected in ((plain, "--normalise", [x / length for x in raw]),
                                      (unit, None, [x / length for x in raw]),
                                      (unit, "--no-normalise", raw)):
            self.near(self.vectors(model, "-p", "sea shells", *([more] if more else []))[0],
                      expected)
        # As Sentence Transformers keep the same in a folder within.
        inside = plain / "0_StaticEmbedding"
        inside.mkdir()
        (plain / "config.json").unlink()
        for name in ("tokenizer.json", "model.safetensors"):
            (plain / name).rename(inside / name)
        kinds = [("StaticEmbedding", "0_StaticEmbedding"), ("Normalize", "1_Normalize")]
        (plain / "modules.json").write_text(json.dumps(
            [{"type": "sentence_transformers.models." + kind, "path": path}
             for kind, path in kinds]))
        self.near(self.vectors(plain, "-p", "sea shells")[0], [x / length for x in raw])

    def test_lines_tokens_and_long_texts(self):
        model, rows = self.made("made", tensor="embedding.weight")
        lines = self.vectors(model, "-t", 2, stdin=b"sea\nthe sea\nshells\n")
        self.near(lines[1], mean([rows[7], rows[4]]))
        self.near(self.vectors(model, "--tokens", "7,4")[0], lines[1])
        self.refuse("embed", model, "--tokens", "1,9", naming=("0 to 8", "9"))
        self.refuse("embed", model, "-p", "sea " * 20, "-c", 9, naming=("text 1", "9", "20", "--long"))
        report = self.report(model, "-p", "sea " * 20, "-c", 9, "--long", "split")["embeddings"][0]
        self.assertEqual((report["windows"], report["tokens"]), (3, 20))
        self.near(report["embedding"], rows[4])

    def test_memory_does_not_grow_with_the_tokens_of_a_text(self):
        model, _ = self.made("made")
        width, widest = 1 << 14, 1 << 16
        row = struct.pack("<f", 0.5) * width
        write_safetensors(model / "model.safetensors",
                          [("embeddings", "F32", [len(TOKENS), width], row * len(TOKENS))])
        text = "sea " * 20000  # whose rows are 1.3 GB
        self.assertEqual(len(self.vectors(model, "-p", text)[0]), width)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 512 << 10)  # KiB
        self.refuse("embed", model, "-p", text, "--pooling", "none", naming=("text 1", "16384", "20000"))
        write_safetensors(model / "model.safetensors",
                          [("embeddings", "F32", [1, widest + 1], bytes(4 * widest + 4))])
        self.refuse("embed", model, "-p", "sea", naming=("embeddings", str(widest), str(widest + 1)))

    def test_what_is_wrong_is_refused_by_name(self):
        model, _ = self.made("made")
        self.refuse("embed", model, "-p", "a", "--pooling", "cls", naming=("cls", "mean"))
        rows, data = numbers("F32", len(TOKENS))
        table = ("embeddings", "F32", [len(rows), WIDTH], data)
        for tensors, naming in (
                ([("vectors", *table[1:])], ("embeddings",)),
                ([("embeddings", "F32", [len(rows) * WIDTH], data)], ("embeddings", "rows")),
                ([("embeddings", "I32", [len(rows), WIDTH], data)], ("embeddings", "I32")),
                ([("embeddings", "F32", [3, WIDTH], data[:60])], ("9 tokens", "found 3")),
                ([table, ("weights", "F32", [2], data[:8])], ("weights", "(9)", "(2)")),
                ([table, ("weights", "F32", [9], struct.pack("<9f", *[math.nan] * 9))],
                 ("weights", "finite")),
                ([table, ("mapping", "I32", [9], struct.pack("<9i", *range(1, 10)))],
                 ("mapping", "0 to 8", "9")),
                ([table, ("mapping", "F32", [9], struct.pack("<9f", *range(9)))],
                 ("mapping", "I32", "F32")),
                ([table, ("bias", "F32", [5], data[:20])], ("bias",))):
            with self.subTest(naming=naming):
                write_safetensors(model / "model.safetensors", tensors)
                self.refuse("embed", model, "-p", "a", naming=naming)
        (model / "model.safetensors").unlink()
        self.refuse("embed", model, "-p", "a", naming=("model.safetensors",))
        (model / "tokenizer.json").unlink()
        self.refuse("embed", model, "-p", "a", naming=("tokenizer.json",))


if __name__ == "__main__":
    program.main()
