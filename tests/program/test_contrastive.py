"""tune --contrastive: pairs of texts make a network an embedder, as issun embed reads it afterwards."""
import json
import math
import random
import time

import gguf_file
import program
from program import ProgramTest

WORDS = ("one inch long the boy set out in a bowl with needle for sword and straw its sheath to see "
         "capital where an ogre lived who swallowed people whole").split()

ENCODERS = ("bert-mean", "gemma-embedding", "modern-bert", "nomic-bert", "qwen3-embed")


def some_pairs(count, seed, negatives=False):
    """A query of three words, and for each the word that stands seven behind it, in another order."""
    choose = random.Random(seed)
    pairs = []
    for i in range(count):
        query = [choose.randrange(len(WORDS)) for _ in range(3)]
        answer = [WORDS[(word + 7) % len(WORDS)] for word in query]
        choose.shuffle(answer)
        pair = {"query" if i % 2 else "anchor": " ".join(WORDS[word] for word in query),
                "positive": " ".join(answer)}
        if negatives and i % 3 == 0:
            pair["negative"] = " ".join(choose.choices(WORDS, k=4))
        pairs.append(pair)
    return pairs


def mean_loss(queries, candidates, temperature):
    """Cross-entropy of finding candidate p for query p, over cosines of vectors of length 1."""
    total = 0
    for p, query in enumerate(queries):
        scores = [math.fsum(a * b for a, b in zip(query, c)) / temperature for c in candidates]
        most = max(scores)
        total += most + math.log(math.fsum(math.exp(s - most) for s in scores)) - scores[p]
    return total / len(queries)


class Contrastive(ProgramTest):
    def setUp(self):
        super().setUp()
        texts = self.folder / "texts.txt"
        choose = random.Random(1)
        texts.write_text("\n".join(" ".join(choose.choices(WORDS, k=9)) for _ in range(60)))
        config = self.folder / "config.json"
        config.write_text(json.dumps({
            "model": {"architecture": "llama", "embedding_length": 32, "layers": 2, "heads": 2,
                      "feed_forward_length": 64, "context_length": 64},
            "tokenizer": {"type": "bpe", "vocabulary_size": 300},
            "training": {"sequence_length": 32, "batch_sequences": 2, "steps": 1,
                         "learning_rate": 1e-6}}))
        self.succeed("pretrain", "--config", config, "--data", texts, "--out", self.folder / "base")
        self.causal = self.folder / "base" / "model.gguf"
        self.pairs = self.write("pairs.jsonl", some_pairs(400, 5))

    def encoder(self, pooling=1, name="encoder.gguf", ends=True):
        """The same weights as a network whose tokens see both ways."""
        base = gguf_file.GgufFile(self.causal)
        without = gguf_file.key("tokenizer.ggml.add_eos_token", False)
        self.assertIn(without, base.key_bytes)
        keys = base.key_bytes.replace(without, gguf_file.key("tokenizer.ggml.add_eos_token", ends))
        keys += gguf_file.key("llama.attention.causal", False)
        keys += gguf_file.key("llama.pooling_type", pooling)
        tensors = [(t.name, t.shape[::-1], t.type, t.data) for t in base.tensors.values()]
        path = self.folder / name
        gguf_file.write_gguf(path, base.key_count + 2, keys, tensors)
        return path

    def write(self, name, records):
        path = self.folder / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    def tune(self, model, data, out, *more):
        return self.succeed("tune", model, data, "--out", self.folder / out, "--contrastive", "--json",
                            *more)

    def learn(self, model, out, *more, full=("--full",)):
        return json.loads(self.tune(model, self.pairs, out, *full, "--batch", 16, "--steps", 300,
                                    "--learning-rate", "3e-3", "--sequence", 32, "--valid-share",
                                    0.1, "--checkpoint-every", 20, *more).text)

    def embed(self, model, texts):
        flags = [part for text in texts for part in ("-p", text)]
        report = json.loads(self.succeed("embed", model, "--json", "--exact", *flags).text)
        return [entry["embedding"] for entry in report["embeddings"]]

    def vectors_of(self, model, pairs):
        queries = self.embed(model, [p.get("query") or p["anchor"] for p in pairs])
        candidates = [p["positive"] for p in pairs]
        candidates += [p["negative"] for p in pairs if "negative" in p]
        return queries, self.embed(model, candidates)

    def hits(self, model):
        """How many of 45 new queries find their text among 15."""
        hits = 0
        for seed in (100, 101, 102):
            queries, answers = self.vectors_of(model, some_pairs(15, seed))
            for p, query in enumerate(queries):
                scores = [math.fsum(a * b for a, b in zip(query, answer)) for answer in answers]
                hits += program.argmax(scores) == p
        return hits

    def test_training_reads_texts_as_embed_does(self):
        models = [(self.causal, "the last token"), (self.encoder(1, "mean.gguf"), "the mean"),
                  (self.encoder(2, "first.gguf"), "the first token"),
                  (self.encoder(3, "last.gguf"), "the last token, both ways"),
                  (self.encoder(3, "plain.gguf", ends=False), "without an end")]
        pairs = some_pairs(12, 9, negatives=True)
        data = self.write("twelve.jsonl", pairs)
        for i, (model, name) in enumerate(models):
            queries, candidates = self.vectors_of(model, pairs)
            one_way = mean_loss(queries, candidates, 0.1)
            both = (one_way + mean_loss(candidates[:12], queries, 0.1)) / 2
            for more, expected in (((), one_way), (("--both-ways",), both)):
                with self.subTest(name=name, more=more):
                    figures = json.loads(self.tune(
                        model, data, f"out{i}{len(more)}", "--full", "--batch", 12, "--steps", 1,
                        "--valid-share", 0, "--precision", "f32", "--temperature", 0.1, *more).text)
                    self.assertAlmostEqual(figures["train_loss"], expected, places=3)
                    self.assertIsNone(figures["valid_hit_rate"])

    def test_encoders_of_every_kind_that_training_knows_read_as_embed_does(self):
        pairs = some_pairs(6, 9)
        data = self.write("six.jsonl", pairs)
        for name in ENCODERS:
            model = program.shared(f"conformance/arch/{name}.gguf")
            with self.subTest(name=name):
                queries, answers = self.vectors_of(model, pairs)
                done = self.tune(model, data, name, "--full", "--batch", 6, "--steps", 1,
                                 "--valid-share", 0, "--precision", "f32")
                self.assertAlmostEqual(json.loads(done.text)["train_loss"],
                                       mean_loss(queries, answers, 0.05), places=3)
                self.embed(self.folder / name / "model.gguf", ["a bowl"])
        alibi = program.shared("conformance/arch/jina-bert-v2.gguf")
        self.refuse("tune", alibi, data, "--out", self.folder / "no", "--full", "--contrastive",
                    naming=("ALiBi",))

    def test_a_network_learns_which_texts_belong_together(self):
        model = self.encoder()
        before = self.learn(model, "begin", "--until", 1)
        self.assertFalse(before["finished"])
        after = self.learn(model, "whole", "--threads", 2)
        self.assertTrue(after["finished"])
        self.assertEqual(after["pairs"] + after["valid_pairs"], 400)
        self.assertGreater(after["valid_pairs"], 10)
        self.assertLess(after["valid_loss"], before["valid_loss"] - 0.5)
        self.assertGreater(after["valid_hit_rate"], before["valid_hit_rate"] + 0.3)
        self.assertIn("nats per pair", (self.folder / "whole" / "curve.svg").read_text())
        # The file embeds, and pairs that were never seen come out near.
        made = self.folder / "whole" / "model.gguf"
        self.assertGreater(self.hits(made), self.hits(model) + 12)
        # One thread, and a run that went on after one step: the same bits.
        self.learn(model, "alone", "--threads", 1)
        self.learn(model, "begin")
        for other in ("alone", "begin"):
            self.assertEqual(made.read_bytes(), (self.folder / other / "model.gguf").read_bytes())

    def test_a_run_that_is_killed_goes_on_bit_for_bit(self):
        model = self.encoder()
        flags = ["--contrastive", "--full", "--batch", "16", "--steps", "600", "--sequence", "32",
                 "--checkpoint-every", "5", "--valid-share", "0.1", "--valid-every", "40"]
        whole = ["tune", model, self.pairs, *flags, "--out", self.folder / "whole"]
        killed = whole[:-1] + [self.folder / "killed"]
        began = time.monotonic()
        self.succeed(*whole)
        seconds = time.monotonic() - began
        self.assertGreater(program.finish_through_kills(killed, seed=3, whole_seconds=seconds), 0)
        self.assertEqual((self.folder / "whole/model.gguf").read_bytes(),
                         (self.folder / "killed/model.gguf").read_bytes())

    def test_adapters_learn_as_well(self):
        model = self.encoder()
        before = self.learn(model, "begin", "--until", 1, full=())
        after = self.learn(model, "taught", full=())
        self.assertGreater(after["valid_hit_rate"], before["valid_hit_rate"] + 0.2)
        merged = self.folder / "merged.gguf"
        self.succeed("merge", model, self.folder / "taught" / "adapter.gguf", "--out", merged)
        self.assertGreater(self.hits(merged), self.hits(model) + 6)

    def test_texts_that_are_too_long_are_refused_cut_or_left_out(self):
        pairs = some_pairs(8, 3)
        pairs[2]["positive"] = " ".join(WORDS)
        data = self.write("long.jsonl", pairs)
        flags = ("--full", "--contrastive", "--batch", 4, "--steps", 2, "--sequence", 24,
                 "--valid-share", 0)
        model = self.encoder()
        self.refuse("tune", model, data, "--out", self.folder / "no", *flags,
                    naming=("a text of", "at most 24", "--long-talks"))
        cut = self.succeed("tune", model, data, "--out", self.folder / "cut", *flags, "--long-talks",
                           "truncate")
        self.assertIn(b"1 texts were cut at 24 tokens, 0 pairs left out", cut.err)
        fewer = self.succeed("tune", model, data, "--out", self.folder / "fewer", *flags,
                             "--long-talks", "skip")
        self.assertIn(b"0 texts were cut at 24 tokens, 1 pairs left out", fewer.err)

    def test_what_is_wrong_is_named(self):
        model = self.encoder()

        def fails(*naming, data=self.pairs, model=model, out="wrong", contrastive=("--contrastive",),
                  more=("--full",), status=1):
            self.refuse("tune", model, data, "--out", self.folder / out, *contrastive, *more,
                        naming=naming, status=status)

        mixed = self.write("mixed.jsonl", some_pairs(3, 1) + [{"text": "a bowl"}])
        fails("mixed.jsonl:4", "expected a pair", "found a text", data=mixed)
        fails("mixed.jsonl:1", "found a pair", "--contrastive", data=mixed, model=self.causal,
              contrastive=())
        fails("both ways", "--contrastive", data=self.folder / "texts.txt", contrastive=())
        fails("texts.txt", "expected a pair", data=self.folder / "texts.txt")
        half = self.write("half.jsonl", [{"query": "a bowl"}])
        fails("half.jsonl:1", "positive", data=half)
        one = self.write("one.jsonl", some_pairs(1, 1))
        fails("at least two", data=one)
        fails("at least two pairs", data=one, more=("--valid-share", 0))
        few = self.write("few.jsonl", some_pairs(9, 1))
        fails("at most the 9 pairs", "found 32", data=few, more=("--valid-share", 0))
        fails("batch", "at least two pairs", more=("--batch", 1))
        fails("accumulate", "its own batch", more=("--accumulate", 2))
        fails("one a token", model=self.encoder(0, "tokens.gguf"))
        fails("judges pairs", model=self.encoder(4, "rank.gguf"))
        fails("contrastive", contrastive=(), more=("--temperature", 0.1), status=2)
        fails("contrastive", contrastive=(), more=("--both-ways",), status=2)
        fails("contrastive", more=("--chat-template-file", self.pairs), status=2)
        # Other settings than those of the checkpoints.
        begun = ("--batch", 8, "--until", 2)
        self.tune(model, self.pairs, "begun", *begun)
        fails("another", out="begun", more=(*begun, "--temperature", 0.1))
        fails("another", out="begun", more=(*begun, "--both-ways"))


if __name__ == "__main__":
    program.main()
