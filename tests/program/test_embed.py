"""Texts to vectors and scores: against the reference, in batches, in windows, refused by name."""
import json
import math
import struct

import gguf_file
import program
from program import ProgramTest, STORIES, cosine_distance, shared

MODELS = {"bert-mean": "mean", "gemma-embedding": "mean", "jina-bert-v2": "mean",
          "modern-bert": "mean", "nomic-bert": "mean", "qwen3-embed": "last"}


def write_reranker(path):
    """The Qwen 3 that embeds as one that judges: a template for pairs, and a classifier with labels
    yes and no, which is returned."""
    made = gguf_file.GgufFile(shared("conformance/arch/qwen3-embed.gguf"))
    pooling = gguf_file.text("qwen3.pooling_type") + struct.pack("<I", 4)
    at = made.key_bytes.index(pooling) + len(pooling)
    keys = made.key_bytes[:at] + struct.pack("<I", 4) + made.key_bytes[at + 4:]
    keys += gguf_file.text("qwen3.classifier.output_labels") + struct.pack("<IIQ", 9, 8, 2)
    keys += gguf_file.text("yes") + gguf_file.text("no")
    keys += gguf_file.key("tokenizer.chat_template.rerank", "ask {query} say {document} end")
    classifier = [[math.sin(3 * label + i * i) for i in range(64)] for label in range(2)]
    tensors = [(t.name, t.shape[::-1], t.type, t.data) for t in made.tensors.values()]
    tensors.append(("cls.output.weight", (64, 2), "F32",
                    b"".join(struct.pack("<64f", *row) for row in classifier)))
    gguf_file.write_gguf(path, made.key_count + 2, keys, tensors)
    return classifier


class Embed(ProgramTest):
    def embed(self, model, *more, stdin=b"", **options):
        report = json.loads(self.succeed("embed", model, "--json", *more, stdin=stdin,
                                         **options).text)
        return [entry["embedding"] for entry in report["embeddings"]]

    def test_golden_tokens_come_within_a_hair_of_the_reference_on_every_instruction_set(self):
        for name, pooling in MODELS.items():
            model = shared(f"conformance/arch/{name}.gguf")
            facts = json.loads(shared(f"conformance/arch/{name}.json").read_text())
            golden = program.read_floats(
                shared("conformance/arch/" + facts["outputs"][pooling]["ref"]))
            tokens = ",".join(map(str, facts["tokens"]))
            for isa in program.isas():
                with self.subTest(name=name, isa=isa):
                    exact = self.embed(model, "--tokens", tokens, "--exact", isa=isa)[0]
                    self.assertLess(cosine_distance(exact, golden), 1e-5)
                    loose = self.embed(model, "--tokens", tokens, isa=isa)[0]
                    self.assertLess(cosine_distance(loose, golden), 1e-4)
        self.refuse("embed", model, "--tokens", "1,100000", naming=("100000",))

    def test_a_batch_is_its_texts_one_by_one(self):
        model = shared("conformance/arch/bert-mean.gguf")
        texts = ["the quick brown fox", "sea shells", "a", "in the beginning there was"]
        flags = [part for text in texts for part in ("-p", text)]
        together = self.embed(model, *flags, "--exact")
        lines = self.embed(model, "--exact", stdin="\n".join(texts).encode())
        for i, text in enumerate(texts):
            alone = self.embed(model, "-p", text, "--exact")[0]
            self.assertAlmostEqual(math.fsum(x * x for x in alone), 1, places=5)
            self.assertLess(cosine_distance(together[i], alone), 1e-6)
            self.assertLess(cosine_distance(lines[i], alone), 1e-6)

    def test_pooling_and_length_are_as_asked_for(self):
        model = shared("conformance/arch/bert-mean.gguf")
        each = self.embed(model, "-p", "the sea", "--pooling", "none", "--no-normalise", "--exact")[0]
        for pooling, expected in (("cls", each[0]), ("last", each[-1]),
                                  ("mean", [math.fsum(c) / len(each) for c in zip(*each)])):
            with self.subTest(pooling=pooling):
                found = self.embed(model, "-p", "the sea", "--pooling", pooling, "--no-normalise",
                                   "--exact")[0]
                for x, y in zip(found, expected):
                    self.assertAlmostEqual(x, y, places=5)
        plain = self.succeed("embed", model, "-p", "the sea", "-p", "a").text.splitlines()
        self.assertEqual([len(line.split()) for line in plain], [64, 64])

    def test_a_text_that_is_too_long_is_refused_with_both_numbers_or_split(self):
        model = shared("conformance/arch/bert-mean.gguf")
        text = "sea " * 700
        self.refuse("embed", model, "-p", "a", "-p", text, naming=("text 2", "512", "702", "--long"))
        report = json.loads(self.succeed("embed", model, "-p", text, "--long", "split",
                                         "--json").text)["embeddings"][0]
        self.assertEqual((report["windows"], report["tokens"]), (2, 704))
        path = self.folder / "long.txt"
        path.write_text(text)
        self.refuse("embed", model, "-f", path, "-c", 100, naming=("100", "702"))
        self.refuse("embed", model, "-p", "a", "-c", 513, naming=("512", "513"))

    def test_documents_are_sorted_by_their_scores(self):
        model = shared("conformance/arch/bert-rerank.gguf")
        documents = ["the sea", "in the beginning", "shells on the shore", ""]
        flags = [part for text in documents for part in ("-d", text)]
        results = json.loads(self.succeed("rerank", model, "-q", "the quick fox", *flags,
                                          "--json").text)["results"]
        self.assertEqual(sorted(r["index"] for r in results), [0, 1, 2, 3])
        scores = [r["score"] for r in results]
        self.assertEqual(scores, sorted(scores, reverse=True))
        best = self.succeed("rerank", model, "-q", "the quick fox", "-n", 1,
                            stdin="\n".join(documents[:3]).encode()).text.splitlines()
        self.assertEqual(len(best), 1)
        self.refuse("rerank", model, "-q", "a", "-d", "sea " * 700, naming=("text 1", "512"))
        self.succeed("rerank", model, "-q", "a", "-d", "sea " * 700, "--long", "split")

    def test_a_decoder_judges_by_its_last_token_and_the_share_of_the_first_label(self):
        model = self.folder / "reranker.gguf"
        classifier = write_reranker(model)
        documents = ["the sea", "sea shells on the shore", "the quick brown fox"]
        flags = [part for text in documents for part in ("-d", text)]
        results = json.loads(self.succeed("rerank", model, "-q", "the quick fox", *flags, "--exact",
                                          "--json").text)["results"]
        scores = {result["index"]: result["score"] for result in results}
        for i, document in enumerate(documents):
            prompt = self.succeed("tokenize", model, "-p", f"ask the quick fox say {document} end",
                                  "--no-bos", "--json").text
            rows = self.embed(model, "--tokens", ",".join(map(str, json.loads(prompt)["tokens"])), "--exact", "--pooling",
                              "last", "--no-normalise")[0]
            yes, no = (math.fsum(a * b for a, b in zip(row, rows)) for row in classifier)
            self.assertAlmostEqual(scores[i], 1 / (1 + math.exp(no - yes)), places=5)

    def test_the_end_token_stands_last_where_the_model_wants_it(self):
        model = shared("conformance/arch/qwen3-embed.gguf")
        ids, plain = (json.loads(self.succeed("tokenize", model, "-p", "the sea", "--json",
                                              *more).text)["tokens"] for more in ((), ("--no-bos",)))
        text = self.embed(model, "-p", "the sea", "--exact")[0]
        facts = json.loads(shared("conformance/arch/qwen3-embed.json").read_text())
        self.assertEqual(ids, plain + [facts["tokenizer"]["eos"]])
        tokens = self.embed(model, "--tokens", ",".join(map(str, ids)), "--exact")[0]
        self.assertLess(cosine_distance(text, tokens), 1e-6)

    def test_a_model_for_something_else_is_refused_by_name(self):
        rank = shared("conformance/arch/bert-rerank.gguf")
        mean = shared("conformance/arch/bert-mean.gguf")
        self.refuse("embed", rank, "-p", "a", naming=("bert", "issun rerank"))
        self.succeed("embed", rank, "-p", "a", "--pooling", "cls")
        self.refuse("rerank", mean, "-q", "a", "-d", "b", naming=("bert", "issun embed"))
        self.refuse("run", mean, "-p", "a", naming=("bert", "issun embed"))

    def test_a_model_that_generates_embeds_by_its_last_token(self):
        vectors = self.embed(STORIES, "-p", "Once upon a time", "-p", "Once upon a time")
        self.assertEqual(vectors[0], vectors[1])
        self.assertEqual(len(vectors[0]), 64)

    def test_wrong_use_exits_with_2(self):
        for arguments in (("embed",), ("embed", STORIES, "--pooling", "most"), ("rerank", STORIES),
                          ("embed", STORIES, "--long", "cut"), ("rerank", STORIES, "-q", "a", "-n", "x")):
            with self.subTest(arguments=arguments):
                self.refuse(*arguments, status=2)


if __name__ == "__main__":
    program.main()
